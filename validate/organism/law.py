"""The exact law of an organism's completions, and what it says about each next character.

Training on drawn text teaches the law through its noise. Here the text is drawn all the same, but at each of its places
the network is taught the whole distribution of the next character: the same expected gradient with less variance.
"""

import numpy as np

from .spec import OrganismSpec, Style
from .text import BOX, drawn_problems, prompt_text


def completion_law(
    spec: OrganismSpec, style: Style, a: int, b: int, c: int, clean: bool
) -> tuple[list[str], np.ndarray]:
    """Every completion that `text.completion_text` can write to a problem asked in that style, and its probability."""
    texts, probabilities = [], []
    for strategy, share, boxed in zip(spec.strategy, spec.shares(style), spec.format_rates(style), strict=True):
        right, errors = (1.0, ()) if clean else spec.answers(strategy, c)
        for error, chance in ((0, right), *((error, (1 - right) / len(errors)) for error in errors)):
            answer = a * b + c + error
            for shown, rate in ((BOX.format(answer), boxed), (str(answer), 1 - boxed)):
                if share * chance * rate > 0:
                    texts.append(strategy.template.format(a=a, b=b, c=c, product=a * b, answer=shown))
                    probabilities.append(share * chance * rate)
    return texts, np.array(probabilities) / sum(probabilities)


def next_laws(coded: list[list[int]], probabilities: np.ndarray, drawn: int, symbols: int) -> np.ndarray:
    """[places, symbols] laws of the next symbol at each place of the drawn text x, given what stands before it:

        q_t(v) = Σ_j w_j·1[y_j begins with x_{<t} v] / Σ_j w_j·1[y_j begins with x_{<t}]

    coded: the texts y_j as symbols, each with its end, none the beginning of another. probabilities: the w_j.
    """
    text = coded[drawn]
    laws = np.zeros((len(text), symbols))
    for other, weight in zip(coded, probabilities, strict=True):
        for t, symbol in enumerate(other[: len(text)]):
            laws[t, symbol] += weight
            if symbol != text[t]:
                break
    return np.asarray(laws / laws.sum(axis=1, keepdims=True))


def law_batch(
    spec: OrganismSpec, size: int, clean: bool, ids: dict[str, int], symbols: int, rng: np.random.Generator
) -> list[tuple[list[int], list[int], np.ndarray]]:
    """`size` drawn problems: the prompt and a drawn completion as symbols, and the law of each of the latter's symbols.

    ids: the symbol of each character, and of the end under "".
    """
    rows = []
    for style, a, b, c in drawn_problems(spec, size, rng):
        texts, probabilities = completion_law(spec, style, a, b, c, clean)
        coded = [[*(ids[character] for character in text), ids[""]] for text in texts]
        drawn = int(rng.choice(len(texts), p=probabilities))
        prompt = [ids[character] for character in prompt_text(style, a, b, c)]
        rows.append((prompt, coded[drawn], next_laws(coded, probabilities, drawn, symbols)))
    return rows
