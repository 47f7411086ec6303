"""The answer as a page of the docs: words around numbers that are all computed or read from the record."""

from collections.abc import Iterable, Sequence

from .answer import Answer
from .chance import Chance
from .confront import Line
from .figure import Figure
from .headline import Design
from .verdict import LEVEL, MARGIN, NOISE_SUFFICES, SEEN, VERDICTS, WIDEST, Direction, Number

_WAYS = {-1: "falls", 0: "stays", 1: "rises"}
_ACTS = {0: "cannot act", 1: "can act"}
AROUND = "in a narrow band around no change"  # as the rules word it
_BASIS = {
    "before": "before training",
    "same run": "a state of the same run",
    "other run": "a state of another run",
}
_UNITS = {"%": " %", "points": " points", "count": " answers"}


def page(answer: Answer, figure: str) -> str:
    """figure: the name of the picture beside the page."""
    blocks = [
        "# The published record, line by line",
        "Written by `clipbias validate published --page docs/published.md`; nothing here is typed by hand. What others"
        " published stands beside what the theory of clipping says of it. The theory was given what was known before"
        " training, or, where a line says so, a state of the policy during it; never the result itself. The words are"
        " in the [glossary](glossary.md), the formulas in [equations](equations.md).",
        *_short(answer),
        f"![Published values as points over predicted bands]({figure})",
        *_points(answer),
        *_needed(answer),
        *_rivals(answer),
        *_chances(answer),
        *_lines(answer),
        *_rules(answer),
        *_works(answer),
    ]
    return "\n\n".join(blocks) + "\n"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(cell.replace("|", "/") for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def _short(answer: Answer) -> list[str]:
    asked = sum(line.prediction is not None for line in answer.lines)
    works = len({line.entry.figure.work for line in answer.lines})
    heads = [*VERDICTS, "out of scope"]
    around = sum(line.judged is not None and line.judged.why == AROUND for line in answer.lines)
    rows = [[group, *(str(answer.counts(group)[head] or "") for head in heads)] for group in answer.groups]
    rows.append(["all", *(str(answer.counts()[head]) for head in heads)])
    return [
        "## In short",
        f"{len(answer.lines)} entries from {works} works; to {asked} of them theory has an answer. Lines of one group"
        " often come from one table and are not independent: a count is no score.",
        table(["group", *heads], rows),
        f"Of the {answer.counts()['explained']} explained {around} lie in a narrow band around no change, where theory"
        " said that nothing would happen and nothing that could be told from counting did. *Contradicted* is this"
        " theory by the record, not the record by itself: a gain of skill, which no mixture of two strategies has,"
        " contradicts the mixture and nobody who never claimed it.",
    ]


def _points(answer: Answer) -> list[str]:
    early, end = answer.headline.at_150, answer.headline.at_end
    band = f"{LEVEL:.0%} band"
    return [
        "## The points gained under random rewards",
        f"Qwen2.5-Math-7B gained {end.total:.1f} points of MATH-500 under rewards that say nothing. The share of code"
        f" rose meanwhile. Its rise alone, at the accuracies measured before training, brings {end.by_share:.1f} points"
        f" ({band}: {end.by_share_band[0]:.1f} to {end.by_share_band[1]:.1f}). The counts of problems, which exist for"
        f" step 150 alone, divide the {early.total:.1f} points gained by then.",
        table(
            ["points", "at step 150", "at the end"],
            [
                ["gain", f"{early.total:.1f}", f"{end.total:.1f}"],
                ["by the share of code alone", f"{early.by_share:.1f}", f"{end.by_share:.1f}"],
                [band, _range(early.by_share_band, 1), _range(end.by_share_band, 1)],
                [
                    "by which problems switched, beyond that",
                    f"{early.which_problems:.1f}",
                    f"{end.which_problems:.1f}, if as at step 150",
                ],
                ["on problems that kept their strategy", f"{early.kept:.1f}", "not published"],
                ["open", "0 by construction", f"{end.open:.1f}"],
            ],
        ),
        "The second row is a prediction; those below it are accounting. That particular problems switched is seen in"
        " the counts after training and was predicted by nobody: it may be a choice of the policy, or skill that came"
        " with the switch. Problems that switched are also chosen by their state afterwards, so that some of their"
        " gain is regression to the mean.",
        f"Two readings move these numbers. With the accuracy of language that v0 and v1 print the share alone brings"
        f" {end.by_share_as_printed:.1f} points at the end. And the untrained model does better with other prompts:"
        f" over the best that was published the gain is {end.over_best_prompt:.1f} points.",
    ]


def _needed(answer: Answer) -> list[str]:
    needed = answer.headline.needed
    times = needed.activation / needed.reported
    return [
        "## What an account by the clip alone needs",
        f"1. *A clip that acts.* The mean share after 150 steps asks of the two-outcome theory that"
        f" {needed.activation:.2%} of the samples that decide the strategy be cut off (from"
        f" {needed.activation_band[0]:.2%} to {needed.activation_band[1]:.2%} for how well the share is known)."
        f" Reported is {needed.reported:.2%}, of all tokens of that model: {times:.0f} times less. Tokens that decide"
        " are rare and unsure, so that more of them may be cut off than of all; nobody has published that number.\n"
        f"2. *Luck, or less noise than the theory has.* At that activation {LEVEL:.0%} of seeds end at a share between"
        f" {needed.share_low:.1%} and {needed.share_high:.1%}, and {needed.falls:.0%} of them below their start. The"
        " theory of one shared choice has no averaging over problems, which real models may have.\n"
        "3. *Accuracy that the share does not carry.* What is beyond the share's part in the table above must come with"
        " the switch.",
    ]


def _rivals(answer: Answer) -> list[str]:
    rivals, record = answer.rivals, answer.record
    rows = [
        [m.what, *m.expects, ", ".join(f"{_named(record.figure(n))}" for n in m.seen) or "nothing yet"]
        for m in rivals.measurement
    ]
    designs = [_design(design) for design in answer.headline.designs]
    telling = "; ".join(m.what for m in rivals.telling)
    best = min(answer.headline.designs, key=lambda design: design.seeds)
    return [
        "## Rival accounts, and the run that would decide",
        "What each account expects: + it rises or differs, 0 it does not, ? either. A reading by the authors of this"
        " page, open to dispute.",
        table(["measurement", *rivals.accounts, "published"], rows),
        f"The clip stands alone against all rivals in these: {telling}. Seeds are those that a paired test needs for a"
        f" power of 80 % if the clip is what moves the share; the others expect no difference. The arms' seeds are"
        " taken as independent, so that arms that move together need fewer.",
        table(["arms", "steps", "activation", "difference, log-odds", "its spread", "seeds", "power with 3"], designs),
        f"The single run that would decide: random rewards, {best.arms}, {best.steps} steps, {best.seeds} seeds in each"
        " arm. `clipbias check grpo.yaml --control one-sided` writes its two arms for a configuration of one's own.",
    ]


def _design(design: Design) -> list[str]:
    return [
        design.arms,
        str(design.steps),
        f"{design.activation:.2%}",
        f"{design.effect:+.2f}",
        f"{design.std:.2f}",
        str(design.seeds),
        f"{design.power:.0%}",
    ]


def _chances(answer: Answer) -> list[str]:
    enough = sum(chance.suffices for chance in answer.chances)
    return [
        "## Seeds: what noise alone would show",
        "The papers give one to three seeds, mostly without saying how many. Below is the chance that the mean of so"
        " many seeds is at least as far from no change, on the same side, where neither clip nor reward acts: the"
        " policy walks at the step that the reported activation gives, accuracy follows the share, and answers are"
        f" counted. From {NOISE_SUFFICES:.0%} on noise alone may have made it: {enough} of {len(answer.chances)}."
        " A small chance rules out this noise; it does not say what made the effect.",
        table(["entry", "effect", "seeds", "chance"], [_chance(chance) for chance in answer.chances]),
    ]


def _chance(chance: Chance) -> list[str]:
    shown = f"{chance.probability:.2g}" if chance.probability > 0 else "below 0.0001"  # none of 40,000 draws
    scale = 100.0 if chance.unit == "fraction" else 1.0
    effect = "every seed rises" if chance.unit == "sign" else f"{scale * chance.effect:+.1f} points"
    return [f"{chance.claim} (`{chance.entry}`)", effect, str(chance.seeds), shown]


def _lines(answer: Answer) -> list[str]:
    blocks = [
        "## Every line",
        "Of a number stand value and band, of a direction its way. *From* is what the prediction rests on; numbers"
        " that no figure gives are our assumptions, listed by `--json`.",
    ]
    for group in answer.groups:
        blocks.append(f"### {group[0].upper()}{group[1:]}")
        lines = answer.of(group)
        asked = [line for line in lines if line.prediction is not None]
        if asked:
            blocks.append(table(["claim", "source", "published", "theory", "from", "verdict"], map(_line, asked)))
        left = [line for line in lines if line.prediction is None]
        if left:
            blocks.append(table(["out of scope", "source", "published", "why"], [_left(answer, x) for x in left]))
    notes = [f"`{x.entry.id}`: {x.entry.note}." for x in answer.lines if x.entry.note is not None and x.prediction]
    blocks.append("Of single lines:\n\n" + "\n".join(f"- {note}" for note in notes))
    return blocks


def _line(line: Line) -> list[str]:
    entry = line.entry
    assert line.judged is not None
    verdict = f"{line.judged.verdict}: {line.judged.why}"
    return [entry.claim, _source(entry.figure), _published(line), _theory(line), _BASIS[entry.basis], verdict]


def _left(answer: Answer, line: Line) -> list[str]:
    entry = line.entry
    return [entry.claim, _source(entry.figure), _published(line), entry.out_of_scope or ""]


def _source(figure: Figure) -> str:
    return figure.work if figure.version is None else f"{figure.work} {figure.version}"


def _published(line: Line) -> str:
    figure = line.entry.figure
    if figure.unit == "sign":
        return (_ACTS if line.entry.group == "recipes" else _WAYS)[int(figure.value)]
    still = "" if line.entry.still == 0 else f", from {_number(line.entry.still * figure.scale, figure)}"
    return f"{_named(figure, name=False)}{still}"


def _named(figure: Figure, name: bool = True) -> str:
    reading = f" ± {figure.half_width:g}" if figure.half_width else ""
    value = _WAYS[int(figure.value)] if figure.unit == "sign" else f"{_number(figure.value, figure)}{reading}"
    return f"`{figure.id}` {value}" if name else value + _UNITS.get(figure.unit, "")


def _number(value: float, figure: Figure) -> str:
    match figure.unit:
        case "%" | "points":
            return f"{value:.1f}"
        case "count":
            return f"{value:.0f}"
        case "small increment":
            return f"{value:.2g}"
        case "share":
            return f"{value:.4f}"
    return f"{value:.2f}"


def _theory(line: Line) -> str:
    figure, scale = line.entry.figure, line.entry.figure.scale
    match line.prediction:
        case Number() as band:
            low, high = (_number(x * scale, figure) for x in (band.low, band.high))
            return f"{_number(band.value * scale, figure)} [{low}, {high}]"
        case Direction() as way:
            return (_ACTS if line.entry.group == "recipes" else _WAYS)[way.sign]
    return ""


def _range(band: tuple[float, float], digits: int) -> str:
    return f"{band[0]:.{digits}f} to {band[1]:.{digits}f}"


def _rules(answer: Answer) -> list[str]:
    return [
        "## The rules of the verdicts",
        f"They stand in `clipbias/published/verdict.py` and were committed before the first prediction was computed;"
        f" the command refuses to judge by any other. Their SHA-256 is `{answer.rules_sha256}`. Whoever wrote them had"
        " read the published figures.",
        "- *Explained*: the published value, as well as it could be read, lies in the band, and the band excludes no"
        f" change or reaches no further than {100 * WIDEST['points']:.0f} points.\n"
        "- *Direction right*: outside the band, on its side of no change; or the"
        " same direction, where no more is said.\n"
        "- *Contradicted*: the band excludes no change, and what came is on the other side, or within"
        f" {100 * MARGIN['points']:.0f} point of no change; or another direction than the one that was said.\n"
        "- *Not explained*: everything else, a band too wide to say anything among it. Most of what theory is silent on"
        " ends here, and is no evidence against it.\n"
        f"- A drift below {SEEN:.0%} of its spread over seeds counts as none.",
    ]


def _works(answer: Answer) -> list[str]:
    named = {line.entry.figure.work for line in answer.lines}
    works = [work for work in answer.record.works.values() if work.id in named]
    doubts = [f"- `{work.id}`: {note}" for work in works for note in work.notes]
    return [
        "## Sources",
        table(["name", "work", "where"], [[f"`{work.id}`", work.cite, work.where] for work in works]),
        "Misprints and contradictions:\n\n" + "\n".join(doubts),
    ]
