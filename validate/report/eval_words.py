"""An evaluation as a table for a terminal."""

from collections.abc import Sequence

from clipbias.validate.measure.pass_rates import Rate
from clipbias.validate.measure.scorecard import Scorecard


def _percent(rate: Rate | None) -> str:
    return "none" if rate is None else f"{100 * rate.value:.1f} [{100 * rate.low:.1f}, {100 * rate.high:.1f}]"


def eval_table(cards: Sequence[Scorecard]) -> str:
    """One block a style and kind; rates in percent, with intervals of 95 %."""
    blocks = []
    for card in cards:
        each = card.answers // card.problems
        drawn = "greedy" if card.kind == "greedy" else f"{each} answers each"
        first = "pass@1" if card.kind == "greedy" else f"avg@{each}"
        rows: list[tuple[str, Rate | None]] = [
            (f"right ({first})", card.accuracy),
            *((f"right (pass@{k})", rate) for k, rate in card.pass_at),
            ("with code", card.code),
            ("right, of those with code", card.accuracy_with_code),
            ("right, of those without", card.accuracy_without_code),
            ("with an answer in a box", card.format),
            ("cut off before their end", card.truncated),
            ("repeating themselves", card.repetition),
        ]
        lines = [f"{card.style}, {drawn}: {card.problems} problems, {card.tokens:.0f} tokens an answer; percent [95 %]"]
        lines += [f"  {name:26} {_percent(rate)}" for name, rate in rows]
        blocks.append("\n".join(lines))
    return "\n".join(blocks)
