"""What `check` found and knows, in sentences: the verdict with its arithmetic first, then what lies below it."""

import re
from collections.abc import Iterable

from clipbias.check.answer import Answer, steps_text
from clipbias.check.check import Checked
from clipbias.check.framework import Framework
from clipbias.check.setup import Loss, Moves, Training

MOVES = {
    Moves.IDENTICAL: "cannot differ from 1",
    Moves.NOISE: "differs from 1 by rounding alone",
    Moves.MISMATCH: "differs from 1 because its denominator is not the policy's own",
    Moves.UPDATES: "differs from 1 once the policy has been updated",
    Moves.NONE: "does not exist in this loss",
}
GENTLE = 0.005  # of E[R·s]: a push below it is called none


def verdict(found: Checked) -> str:
    """One sentence, with the user's own numbers."""
    training, kind = found.training, found.answer.verdict
    arithmetic = training.geometry.arithmetic
    match kind:
        case "refused":
            return f"{found.framework.title} refuses this: {training.refused}."
        case "no-ratio-clip":
            return f"There is no clip of a ratio in this loss ({training.loss.name}): {arithmetic}."
        case "undetermined":
            return f"Not determined by the file: {arithmetic}."
        case "noise-only":
            return f"Your clip cannot act, but for noise: {arithmetic}, and {training.denominator.where}."
        case "cannot-act" if training.moves is Moves.IDENTICAL:
            return f"Your clip cannot act: {arithmetic}, so the ratio is 1 by construction."
        case "cannot-act":
            return f"Your clip cannot act: no ratio reaches its bounds. {arithmetic}."
    return f"Your clip can act: {arithmetic}."


def bounds(loss: Loss) -> str:
    """Absolute, as the loss uses them."""
    if loss.lower is None and loss.upper is None:
        return "none"
    low = "none" if loss.lower_bound is None else f"{loss.lower_bound:.6g}"
    high = "none" if loss.upper is None else f"{loss.upper:.6g}"
    what = "weights, gradient kept" if loss.kind == "weight" else "gradient removed beyond"
    dual = "" if loss.dual is None else f", dual {loss.dual:g}"
    return f"{low} … {high}{dual}, of each {'answer' if loss.level == 'sequence' else 'token'} ({what})"


def direction(answer: Answer) -> str | None:
    """Which way the clip pushes what is rare, and with it the entropy."""
    if answer.push is None:
        return None
    if abs(answer.push) < GENTLE:
        way = "hardly moves rare tokens"
    else:
        way = (
            "takes from rare tokens, which lowers entropy" if answer.push < 0 else "gives to rare tokens: more entropy"
        )
    return f"{way} ({round(answer.push, 3) + 0.0:+.3f} of what advantages push)"  # + 0.0: no −0


def sides(answer: Answer, ratio_std: float) -> str | None:
    """How much each bound cuts off."""
    if answer.cut_low is None or answer.cut_high is None:
        return None
    low, high = 100 * answer.cut_low, 100 * answer.cut_high
    return f"{low:.2g} % of blamed below, {high:.2g} % of praised above, at a spread of log R of {ratio_std:g}"


def rows(found: Checked, ratio_std: float, success_prob: float) -> list[tuple[str, str]]:
    """What stands below the verdict: (name, text)."""
    training, answer = found.training, found.answer
    table = [
        ("framework", f"{found.framework.title} (rules of {found.framework.version}, {found.framework.date})"),
        ("bounds", bounds(training.loss)),
        *(("", key) for key in training.loss.keys),
        ("denominator", training.denominator.where),
    ]
    if training.moves is not None:
        table.append(("ratio", MOVES[training.moves]))
    for name, text in (("cut off", sides(answer, ratio_std)), ("the clip", direction(answer))):
        if text is not None:
            table.append((name, text))
    if answer.neutral_upper is not None:
        quiet = (
            "" if answer.neutral_upper_quiet is None else f"; {answer.neutral_upper_quiet:.4g} if others stand still"
        )
        table.append(("neutral upper bound", f"{answer.neutral_upper:.4g}{quiet}"))
    table += _group_rows(training, answer, success_prob)
    for gate in training.gates:
        table.append(("other gate", f"{gate.name} ({gate.key}): {gate.what}"))
    for ignored in training.ignored:
        table.append(("ignored", f"{ignored.key}: {ignored.why}"))
    return table


def _group_rows(training: Training, answer: Answer, success_prob: float) -> list[tuple[str, str]]:
    size = training.geometry.group_size
    if size is None or answer.degenerate_group_prob is None:
        return []
    silent = f"{100 * answer.degenerate_group_prob:.3g} % of groups of {size} at a success rate of {success_prob:g}"
    found = [("no advantage in", silent)]
    if answer.max_abs_advantage is not None:
        found.append(("largest advantage", f"{answer.max_abs_advantage:.5g}, under a reward of 0 and 1"))
    return found


def possibilities(found: Checked) -> list[tuple[str, str]]:
    """By number of devices."""
    rows = []
    for p in found.possibilities:
        steps = steps_text(p.training.geometry.steps_per_rollout)
        told = "" if steps is None else f", {steps} step{'' if steps == 1 else 's'} a rollout"
        rows.append((f"{p.devices} device{'' if p.devices == 1 else 's'}", f"{p.answer.verdict}{told}"))
    return rows


def rules_table(frameworks: Iterable[Framework]) -> str:
    """The rules that answers rest on, as a table in Markdown."""
    head = (
        "framework",
        "read",
        "optimizer steps per rollout",
        "denominator of the ratio",
        "bounds",
        "dual",
        "advantage",
    )
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for framework in sorted(frameworks, key=lambda f: f.title.lower()):
        rules, read = framework.rules, f"{framework.version}, {framework.date}"
        cells = (framework.title, read, rules.steps, rules.denominator, rules.bounds, rules.dual, rules.normalisation)
        lines.append("| " + " | ".join(re.sub(r"([|_*])", r"\\\1", cell) for cell in cells) + " |")
    return "\n".join(lines)
