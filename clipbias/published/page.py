"""The answer as a page of the docs: words around numbers that are all computed or read from the record."""

from collections import defaultdict

from .answer import Answer
from .confront import Line
from .page_rivals import deciding, rivals, seeds
from .training import Training
from .verdict import LEVEL, MARGIN, SEEN, VERDICTS, WIDEST, Direction, Number
from .words import number, published, source, span, table, theory

AROUND = "in a narrow band around no change"  # as the rules word it
_BASIS = {
    "before": "before training",
    "same run": "a state of the same run",
    "other run": "a state of another run",
}


def page(answer: Answer, figure: str) -> str:
    """figure: the name of the picture beside the page."""
    blocks = [
        "# The published record, line by line",
        "Written by `clipbias validate published --page docs/published.md`; no number here is typed by hand. What"
        " others published stands beside what the theory of clipping says of it. The theory was given what was known"
        " before training, or, where a line says so, a state of a policy during it; never the result itself. The words"
        " are in the [glossary](glossary.md), the formulas in [equations](equations.md).",
        *_short(answer),
        *_points(answer),
        *_needed(answer),
        *rivals(answer),
        *deciding(answer),
        *seeds(answer),
        *_told(answer),
        *_counts(answer),
        f"![Published values as points over predicted bands]({figure})",
        *_lines(answer),
        *_rules(answer),
        *_works(answer),
    ]
    return "\n\n".join(blocks) + "\n"


def _short(answer: Answer) -> list[str]:
    head, found = answer.headline, _by_id(answer)
    coins = [x for x in answer.lines if _is_coin(x)]
    explained = sum(x.judged is not None and x.judged.verdict == "explained" for x in coins)
    share, noise = found["share.random.150"], [_of_noise(answer, "share"), _of_noise(answer, "accuracy", "gain")]
    assert isinstance(share.prediction, Number)
    assert isinstance(share.entry.question, Training)
    value, low, high = (100 * x for x in (share.prediction.value, share.prediction.low, share.prediction.high))
    return [
        "## In short",
        "Qwen2.5-Math-7B gained"
        f" {head.at_end.total:.1f} points of MATH-500 under rewards that say nothing. What of it is explained:\n\n"
        f"- *By the share of code.* Once the share at the end is known, the mixture of two strategies gives"
        f" {head.at_end.by_share:.1f} points.\n"
        "- *By the clip.* At the activation that was reported, the share after"
        f" {share.entry.question.steps:.0f} steps of random rewards is expected"
        f" at {value:.1f}% [{low:.1f}, {high:.1f}], from {100 * share.entry.still:.1f}%."
        f" That is no rise, in a band that holds nearly everything; {share.entry.figure.value:.1f}% was published. Of"
        f" {len(coins)} lines on the size of a share or accuracy under random rewards, from nothing but the step,"
        f" {explained or 'none'} are explained.\n"
        f"- *By noise.* If each stands for one seed, [noise alone](#seeds-what-noise-alone-would-show) may have made"
        f" {noise[0]} shares of code under random rewards, and {noise[1]} accuracies and gains.\n"
        f"- *What would decide.* {answer.deciding.design.seeds} seeds of two arms, each with one side of the clip:"
        " [the run](#the-run-that-would-decide).",
        "This neither confirms nor refutes that clipping made the gain. It says which published numbers such an account"
        " would have to add.",
    ]


def _of_noise(answer: Answer, *reads: str) -> str:
    """How many of how many results under random rewards one seed of noise alone may show."""
    asked = {x.entry.id: x.entry.question for x in answer.lines if _is_coin(x)}
    shown = {e for e, question in asked.items() if isinstance(question, Training) and question.reads in reads}
    single = [one.suffices for one in answer.chances if one.entry in shown and one.seeds == 1]
    return f"{sum(single)} of {len(single)}"


def _is_coin(line: Line) -> bool:
    """A number that is asked of a training by coins."""
    asked = line.entry.question
    coin = isinstance(asked, Training) and asked.success_code == asked.success_language
    return coin and isinstance(line.prediction, Number)


def _by_id(answer: Answer) -> dict[str, Line]:
    return {line.entry.id: line for line in answer.lines}


def _counts(answer: Answer) -> list[str]:
    asked = sum(line.prediction is not None for line in answer.lines)
    works = len({line.entry.figure.work for line in answer.lines})
    heads = [*VERDICTS, "out of scope"]
    right = [line for line in answer.lines if line.judged is not None and line.judged.verdict == "direction right"]
    recipes = sum(line.entry.group == "recipes" for line in right)
    claims = sum(line.entry.figure.unit == "sign" for line in right) - recipes
    around = sum(line.judged is not None and line.judged.why == AROUND for line in answer.lines)
    ways = [x for x in answer.lines if isinstance(x.prediction, Direction) and x.entry.group != "recipes"]
    theirs = sum(x.judged is not None and x.judged.verdict == "direction right" for x in ways)
    rises = sum(x.entry.figure.value > 0 for x in ways)
    rows = [[group, *(str(answer.counts(group)[head] or "") for head in heads)] for group in answer.groups]
    rows.append(["all", *(str(answer.counts()[head]) for head in heads)])
    return [
        "## Verdicts",
        f"{len(answer.lines)} entries from {works} works; to {asked} of them theory has an answer. A count is no"
        " score:",
        f"- Lines of one group often come from one table, and one run may stand in several lines.\n"
        f"- Of the {answer.counts()['explained']} explained {around} lie {AROUND}, where theory said that nothing would"
        " happen and nothing that could be told from counting did.\n"
        f"- Of the {len(right)} of right direction {recipes} are arithmetic on a configuration, and {claims} are claims"
        " of a direction, many of which follow from the same mathematics that we use. In the others a number was"
        " measured, and theory gives no more than its side.\n"
        f"- Of {len(ways)} directions that are no configuration's theory has {theirs} right; who says *rises* each time"
        f" has {rises}.\n"
        "- *Contradicted* is this theory by the record, not the record by itself: a gain of skill, which no mixture of"
        " two strategies has, contradicts the mixture and nobody who never claimed it.\n"
        "- *Not explained* is where theory is silent or too vague. It is evidence for no one.",
        table(["group", *heads], rows),
    ]


def _points(answer: Answer) -> list[str]:
    early, end = answer.headline.at_150, answer.headline.at_end
    band, early_step = f"{LEVEL:.0%} band", f"step {answer.record.figure('set-up.steps-v0').value:.0f}"
    return [
        "## The points gained under random rewards",
        "The share of code rose while accuracy did. The rise of the share alone, at the accuracies measured before"
        " training, brings what the second row says. The counts of problems, which exist for"
        f" {early_step} alone, divide"
        " what was gained by then.",
        table(
            ["points", f"at {early_step}", "at the end"],
            [
                ["gain", f"{early.total:.1f}", f"{end.total:.1f}"],
                ["by the share of code alone", f"{early.by_share:.1f}", f"{end.by_share:.1f}"],
                [band, _range(early.by_share_band), _range(end.by_share_band)],
                [
                    "by which problems switched, beyond that",
                    f"{early.which_problems:.1f}",
                    f"{end.which_problems:.1f}, if as at {early_step}",
                ],
                ["on problems that kept their strategy", f"{early.kept:.1f}", "not published"],
                ["open", "none, by construction", f"{end.open:.1f}"],
            ],
        ),
        "The second row is predicted from the share after training; why the share rose is another question. The rows"
        " below it are accounting. That particular problems switched is seen in the counts and was predicted by nobody:"
        " it may be a choice of the policy, or skill that came with the switch. Problems that switched are also chosen"
        " by their state afterwards, so that some of their gain is regression to the mean. Problems are not alike, as"
        " the mixture takes them to be.",
        "What moves these numbers, toward the paper and away from it:",
        f"- Problems that switched carry {early.switched:.1f} of the {early.total:.1f} points at {early_step}. That is"
        " the paper's own reading of its counts.\n"
        f"- An opening forced to code brings the untrained model {end.forced:.1f} points, without any training: more"
        f" than the {end.ceiling - (end.accuracy - end.total):.1f} by which its answers with code beat the mean.\n"
        f"- No share of code reaches the end. All answers with code, as right as before training, make"
        f" {end.ceiling:.1f}%; the end is at {end.accuracy:.1f}%.\n"
        f"- With the accuracy of language that v0 and v1 print the share alone brings {end.by_share_as_printed:.1f}"
        " points at the end.\n"
        "- The untrained model does better with other prompts: over the best that was published the gain is"
        f" {end.over_best_prompt:.1f} points.",
    ]


def _needed(answer: Answer) -> list[str]:
    needed = answer.headline.needed
    times = needed.activation / needed.reported
    return [
        "## What an account by the clip alone needs",
        f"1. *A clip that acts.* The mean share after {needed.steps} steps asks of the two-outcome theory that"
        f" {needed.activation:.2%} of the samples that decide the strategy be cut off (from"
        f" {needed.activation_band[0]:.2%} to {needed.activation_band[1]:.2%} for how well the share is known)."
        f" Reported is {needed.reported:.2%}, of all tokens of that model: {times:.0f} times less. Tokens that decide"
        " are rare and unsure, so that more of them may be cut off than of all; nobody has published that number. It is"
        " steep in the step: the log-ratio of that choice spreads by"
        f" {needed.ratio:.3f} over such a phase, and by {needed.reported_ratio:.3f} at the reported activation.\n"
        f"2. *Luck, or less noise than the theory has.* At that activation {LEVEL:.0%} of seeds end at a share between"
        f" {needed.share_low:.1%} and {needed.share_high:.1%}, and {needed.falls:.0%} of them below their start. The"
        " theory of one shared choice has no averaging over problems, which real models may have.\n"
        "3. *Accuracy that the share does not carry.* What is beyond the share's part in the table above must come with"
        " the switch.",
    ]


def _told(answer: Answer) -> list[str]:
    """What goes into the answers, and what they leave out."""
    given: dict[tuple[str, float], list[str]] = defaultdict(list)
    for line in answer.lines:
        for name, value in line.entry.assumed:
            given[name, value].append(line.entry.id)
    rows = [
        [name, f"{value:g}", str(len(ids)), ", ".join(f"`{x}`" for x in ids[:3]) + (", …" if len(ids) > 3 else "")]
        for (name, value), ids in sorted(given.items())
    ]
    return [
        "## What theory was told, and what it leaves out",
        "Shares, accuracies and trainings are asked of two outcomes, code and language, with one pair of logits for all"
        " problems.\n\n"
        "- *The step.* No published run measured how far a phase moves the share. It is set by the activation that one"
        " work reports of all tokens, ± half of it, and taken to other models as it is. This is the weakest link: every"
        " band of a training and every chance of noise hangs on it.\n"
        "- *The optimizer.* Momentum is in it. The division by the root of the second moment is taken as constant, and"
        " to restore the size of a step at any mini-batch and success probability. The bound on the gradient's norm is"
        " left out.\n"
        "- *The released code.* It mixes groups over mini-batches, means over tokens, and whitens advantages over the"
        " buffer. None of it moves a policy on average under a coin; all of it may change how far seeds stray.\n"
        "- *Problems.* They are alike, and one share moves for all of them. Where problems have choices of their own,"
        " seeds stray less than here.\n"
        "- *Skill.* Each strategy keeps its accuracy.\n"
        "- *Who asks.* The rules of the verdicts were fixed before any prediction. Which question stands for a claim,"
        " and the numbers below, were chosen by people who had read the results.",
        table(["number that no figure gives", "value", "entries", "such as"], rows),
    ]


def _range(band: tuple[float, float]) -> str:
    return span(*(number(end, "points") for end in band))


def _lines(answer: Answer) -> list[str]:
    blocks = [
        "## Every line",
        "Of a number stand value and band, of a direction its way. *From* is what the prediction rests on.",
    ]
    for group in answer.groups:
        blocks.append(f"### {group[0].upper()}{group[1:]}")
        lines = answer.of(group)
        asked = [line for line in lines if line.prediction is not None]
        if asked:
            blocks.append(table(["claim", "source", "published", "theory", "from", "verdict"], map(_line, asked)))
        left = [line for line in lines if line.prediction is None]
        if left:
            blocks.append(table(["out of scope", "source", "published", "why"], map(_left, left)))
    notes: dict[str, list[str]] = defaultdict(list)
    for line in answer.lines:
        if line.entry.note is not None and line.prediction:
            notes[line.entry.note].append(f"`{line.entry.id}`")
    blocks.append("Of single lines:\n\n" + "\n".join(f"- {', '.join(ids)}: {note}." for note, ids in notes.items()))
    return blocks


def _line(line: Line) -> list[str]:
    entry = line.entry
    assert line.judged is not None
    verdict = f"{line.judged.verdict}: {line.judged.why}"
    claim = f"{entry.claim} (`{entry.id}`)"
    return [claim, source(entry.figure), published(line), theory(line), _BASIS[entry.basis], verdict]


def _left(line: Line) -> list[str]:
    entry = line.entry
    return [f"{entry.claim} (`{entry.id}`)", source(entry.figure), published(line), entry.out_of_scope or ""]


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
        "- *Not explained*: everything else, a band too wide to say anything among it.\n"
        f"- A drift below {SEEN:.0%} of its spread over seeds counts as none.",
    ]


def _works(answer: Answer) -> list[str]:
    shown = {line.entry.figure.work for line in answer.lines}
    works = [work for work in answer.record.works.values() if work.id in shown]
    doubts = [f"- `{work.id}`: {note}" for work in works for note in work.notes]
    return [
        "## Sources",
        table(["name", "work", "where"], [[f"`{work.id}`", work.cite, work.where] for work in works]),
        "Misprints and contradictions:\n\n" + "\n".join(doubts),
    ]
