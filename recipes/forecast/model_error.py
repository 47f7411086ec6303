"""What the tangent model itself was off in a frozen run, beside the survey's error: `model_error` of other recipes.

    python recipes/forecast/model_error.py [docs/results/twenty-phases]

A mean change y over n seeds is foretold as x with the survey's error s, and seeds spread by σ. The model's own error
after t phases is taken to be normal with standard deviation a·t, the same for all rewards and observables, and a is
that of greatest likelihood, y ~ N(x, s² + σ²/n + (a·t)²), over all arms, five observables and the phases after which
the run was read. z is the root mean square of (y − x)/√(…), which is 1 where a serves that phase alone. Arms whose
answers earn what another arm's earn, or nothing, count once or not at all; those on one problem do not count, since
they are foretold from that problem's answers alone.
"""

from pathlib import Path

import click
import numpy as np
from scipy.optimize import minimize_scalar

from clipbias.common.arrays import Array
from clipbias.validate.predict.forecast import from_text
from clipbias.validate.store.frozen import read_frozen

OBSERVABLES = ("share", "right_with", "right_without", "boxed_with", "boxed_without")
LARGEST = 10.0  # log-odds a phase


@click.command()
@click.argument("folder", default="docs/results/twenty-phases", type=click.Path(exists=True, path_type=Path))
def main(folder: Path) -> None:
    record, foretold = read_frozen(folder), from_text((folder / "forecast.json").read_text())
    rows: list[tuple[int, float, float, float]] = []  # phase, predicted, measured, known variance
    seen: list[Array] = []
    for arm in record.recipe.arm:
        if arm.problems == "one":
            continue
        outlooks, measured = foretold[arm.name].observables, record.arms[arm.name].observed
        path = np.concatenate([outlooks[name].mean for name in OBSERVABLES])
        moved = max(np.ptp(outlooks[name].mean) for name in OBSERVABLES)
        if moved == 0.0 or any(np.array_equal(path, other) for other in seen):
            continue
        seen.append(path)
        for name in OBSERVABLES:
            outlook, change = outlooks[name], measured[name] - measured[name][:, :1]
            for phase in np.flatnonzero(np.isfinite(change).all(axis=0))[1:].tolist():
                known = outlook.stderr[phase] ** 2 + outlook.std[phase] ** 2 / len(change)
                claimed = float(outlook.mean[phase] - outlook.start)
                rows.append((phase, claimed, float(change[:, phase].mean()), float(known)))
    phase, predicted, found, known = (np.array(column) for column in zip(*rows, strict=True))

    def surprise(a: float) -> float:
        variance = known + (a * phase) ** 2
        return float((np.log(variance) + (found - predicted) ** 2 / variance).sum())

    best = float(minimize_scalar(surprise, bounds=(0.0, LARGEST), method="bounded", options={"xatol": 1e-6}).x)
    click.echo(f"{len(seen)} arms, {len(OBSERVABLES)} observables: model_error = {best:.4f} log-odds a phase")
    click.echo("phase   slope      R²   error   known   z")
    for t in np.unique(phase):
        x, y, v = (column[phase == t] for column in (predicted, found, known))
        slope, r2 = x @ y / (x @ x), 1 - ((y - x) ** 2).sum() / ((y - y.mean()) ** 2).sum()
        missed, z = np.sqrt(((y - x) ** 2).mean()), np.sqrt(((y - x) ** 2 / (v + (best * t) ** 2)).mean())
        click.echo(f"{t:5d}  {slope:6.3f}  {r2:6.3f}  {missed:6.3f}  {np.sqrt(v.mean()):6.3f}  {z:.2f}")


if __name__ == "__main__":
    main()
