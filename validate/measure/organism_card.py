"""What a pretrained organism became, counted from its own answers, and whether that is what its spec says."""

import math
from typing import Any

import numpy as np
from transformers import Qwen2ForCausalLM, Qwen2Tokenizer

from clipbias.common.errors import InputError
from clipbias.common.progress import steps
from clipbias.validate.model.probe import first_token_log_probs, mean_entropy
from clipbias.validate.model.sampling import encode_prompts, sample_answers
from clipbias.validate.organism.spec import MAX_TEXT, OrganismSpec
from clipbias.validate.organism.text import held_out_problems, strategy_named, training_problems
from clipbias.validate.tasks.problems import Problem, is_boxed, read_answer

SAMPLES = 8  # answers to each problem on the card
MEASURED = 600  # problems at most, of the training ones and of the held-out ones
# How far a trained network may be from its spec beyond sampling error. In the four organisms of specs/ before they had
# hard problems (96 quantities), shares and format rates were within sampling error and accuracies at most 0.013 beyond
# it (0.038 in all, 3,695 answers counted): the last digit is what a network learns last.
IMPERFECT = {"share": 0.01, "accuracy": 0.04, "format_rate": 0.01}


def measure(model: Qwen2ForCausalLM, tokenizer: Qwen2Tokenizer, spec: OrganismSpec) -> dict[str, dict[str, Any]]:
    """What the organism became: for every style, on the training and on the held-out problems, the share, accuracy and
    format rate of each strategy over `SAMPLES` answers to a problem at temperature 1, and the mean entropy in nats of
    the first token."""
    card: dict[str, dict[str, Any]] = {}
    with steps(f"measuring {spec.name}", len(spec.style)) as done:
        for style in spec.style:
            asked = {"training": training_problems(spec, style.name), "held_out": held_out_problems(spec, style.name)}
            card[style.name] = {
                part: _measure_part(model, tokenizer, spec, _subset(problems, spec.seed))
                for part, problems in asked.items()
                if problems
            }
            done(len(card))
    return card


def _subset(problems: list[Problem], seed: int) -> list[Problem]:
    if len(problems) <= MEASURED:
        return problems
    return [problems[i] for i in np.random.default_rng(seed).choice(len(problems), size=MEASURED, replace=False)]


def _measure_part(
    model: Qwen2ForCausalLM, tokenizer: Qwen2Tokenizer, spec: OrganismSpec, problems: list[Problem]
) -> dict[str, Any]:
    prompts = tuple(problem.prompt for problem in problems)
    answers = sample_answers(model, tokenizer, prompts, SAMPLES, MAX_TEXT + 1, spec.seed)
    counts = {strategy.name: [0, 0, 0] for strategy in spec.strategy}  # answers, right, boxed
    for problem, texts in zip(problems, answers, strict=True):
        for text in texts:
            name = strategy_named(spec, text)
            if name is not None:
                counts[name][0] += 1
                counts[name][1] += read_answer(text) == problem.answer
                counts[name][2] += is_boxed(text)
    total = SAMPLES * len(problems)
    return {
        "answers": total,
        "first_token_entropy": mean_entropy(first_token_log_probs(model, encode_prompts(tokenizer, prompts))),
        "strategies": {
            name: {
                "answers": n,
                "share": n / total,
                "accuracy": right / n if n else None,
                "format_rate": boxed / n if n else None,
            }
            for name, (n, right, boxed) in counts.items()
        },
    }


def sampling_deviation(probability: float, count: int) -> float:
    """Bernstein's bound on |p̂ − p| for n independent answers, exceeded with probability at most 2e⁻⁸:

        √(2·8·p(1−p)/n) + 2·8/(3n)

    The first term is 4 standard errors; the second covers counts near 0.
    """
    return math.sqrt(16 * probability * (1 - probability) / count) + 16 / (3 * count)


def check_card(spec: OrganismSpec, card: dict[str, dict[str, Any]]) -> None:
    """Raise InputError naming the first quantity of the training problems that is not what the spec says."""
    for style in spec.style:
        part = card[style.name]["training"]
        for strategy, share, rate in zip(spec.strategy, spec.shares(style), spec.format_rates(style), strict=True):
            seen = part["strategies"][strategy.name]
            said = [("share", share, part["answers"])]
            if share > 0 and seen["answers"] > 0:  # what the text never shows has neither accuracy nor format
                said += [("accuracy", strategy.accuracy, seen["answers"]), ("format_rate", rate, seen["answers"])]
            for quantity, value, count in said:
                allowed = sampling_deviation(value, count) + IMPERFECT[quantity]
                if abs(seen[quantity] - value) > allowed:
                    raise InputError(
                        f"{quantity} of {strategy.name} under the prompt {style.name}",
                        f"{value} ± {allowed:.3f} as in the spec (try more pretraining.steps)",
                        f"{seen[quantity]:.3f} in {count} answers",
                    )
