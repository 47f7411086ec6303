"""A forecast as a table of text: what each arm's reward should change, by observable and phase."""

from collections.abc import Mapping

from clipbias.validate.predict.forecast import Forecast

NAMES = {
    "share": "share of the strategy",
    "right": "right",
    "right_with": "right, with the strategy",
    "right_without": "right, without it",
    "boxed": "boxed",
    "boxed_with": "boxed, with the strategy",
    "boxed_without": "boxed, without it",
    "finished": "finished",
    "length": "length, tokens",
}
_SHOWN = (1, 2, 5, 10, 20)


def forecast_table(forecasts: Mapping[str, Forecast]) -> str:
    """Change of the mean ± its error (spread over seeds), after some phases; log-odds but for the length. Below it what
    the last is made of."""
    lines = []
    for arm, found in forecasts.items():
        last = len(found.effective) - 1
        phases = [*(phase for phase in _SHOWN if phase < last), last]
        lines.append(f"{arm}: pays {found.paid:.2f}; {found.mixed:.0%} of groups have a gradient")
        lines.append(f"  {'change after phases':28s}" + "".join(f"{phase:>22d}" for phase in phases))
        for name, seen in found.observables.items():
            cells = (f"{seen.mean[t] - seen.start:+.2f} ± {seen.stderr[t]:.2f} ({seen.std[t]:.2f})" for t in phases)
            lines.append(f"  {NAMES.get(name, name):28s}" + "".join(f"{cell:>22s}" for cell in cells))
            if name in found.causes:
                why = found.causes[name]
                parts = (f"{part} {getattr(why, part).value:+.2f}" for part in ("noise", "selection", "clip"))
                lines.append(f"  {'':28s}" + f"in the end: {', '.join(parts)}")
    return "\n".join(lines)
