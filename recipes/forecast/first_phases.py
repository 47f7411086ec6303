"""What rewards were foretold to do to a model in its first phases, and what they did, from a frozen run.

    python recipes/forecast/first_phases.py [docs/results/first-phases] [--phase 2]

Changes of the mean log-odds over seeds; the regression is of measured on foretold changes over all rewards that look
and five observables, R² that of the forecast itself, 1 − Σ(y − x)²/Σ(y − ȳ)². Noise is the measured means' own error.
"""

from pathlib import Path

import click
import numpy as np

from clipbias.validate.predict.forecast import from_text
from clipbias.validate.recipe.arm import Arm
from clipbias.validate.store.frozen import read_frozen

OBSERVABLES = ("share", "right_with", "right_without", "boxed_with", "boxed_without")


@click.command()
@click.argument("folder", default="docs/results/first-phases", type=click.Path(exists=True, path_type=Path))
@click.option("--phase", default=2, show_default=True, type=click.IntRange(min=1))
def main(folder: Path, phase: int) -> None:
    record, foretold = read_frozen(folder), from_text((folder / "forecast.json").read_text())
    arms: dict[str, Arm] = {arm.name: arm for arm in record.recipe.arm}
    click.echo(f"after {phase} phases: foretold ± its error, measured ± its error")
    click.echo(" " * 20 + "".join(f"{name:>30s}" for name in OBSERVABLES))
    expected, found, noise = [], [], []
    for name, arm in arms.items():
        cells = []
        for observable in OBSERVABLES:
            outlook, seeds = foretold[name].observables.get(observable), record.arms[name].observed[observable]
            if outlook is None or not np.isfinite(seeds[:, [0, phase]]).all():
                cells.append("–")  # all of some fold's answers, or none, or of a seed's
                continue
            change = seeds[:, phase] - seeds[:, 0]
            error = change.std(ddof=1) / np.sqrt(len(change))
            mean = outlook.mean[phase] - outlook.start
            cells.append(f"{mean:+.2f} ± {outlook.stderr[phase]:.2f}, {change.mean():+.2f} ± {error:.2f}")
            if not arm.blind:
                expected.append(mean)
                found.append(change.mean())
                noise.append(error)
        click.echo(f"{name:20s}" + "".join(f"{cell:>30s}" for cell in cells))
    x, y, e = (np.array(values) for values in (expected, found, noise))
    slope = np.polyfit(x, y, 1)[0]
    explained = 1 - ((y - x) ** 2).sum() / ((y - y.mean()) ** 2).sum()
    clear = np.abs(y) > 2 * e
    signs = (np.sign(x) == np.sign(y))[clear]
    missed = np.sqrt(((y - x) ** 2).mean())
    click.echo(
        f"{len(x)} pairs: slope {slope:.3f}, R² {explained:.3f}; {signs.sum()} of {clear.sum()} clear signs right"
    )
    click.echo(f"root mean square error {missed:.3f}, noise {np.sqrt((e**2).mean()):.3f}")


if __name__ == "__main__":
    main()
