"""What the clip did to the share in frozen runs, beside what was written before: its arms against the last, in pairs.

    python recipes/forecast/clip_measured.py docs/results/clip-rare-sgd

Both arms of a pair have a seed in common, and so the prompts and rewards of their phases. Changes are of the share's
log-odds over the whole run, as the probe reads them after the last phase. Forecast: the difference of the two arms'
means in forecast.json, with the errors of both; toy: that in prediction.json, from the two-outcome law. Measured: mean
difference over seeds with its 95 % interval (Student's t) and the p-value of no difference.
"""

import sys
from pathlib import Path

import numpy as np
from scipy import stats

from clipbias.common.arrays import Array
from clipbias.validate.predict.forecast import from_text
from clipbias.validate.store.frozen import read_frozen


def main(folder: Path) -> None:
    record, foretold = read_frozen(folder), from_text((folder / "forecast.json").read_text())
    *others, plain = (arm.name for arm in record.recipe.arm)
    ends = {name: found.curves["log_odds"] for name, found in record.arms.items()}
    change = {name: values[:, -1] - values[:, 0] for name, values in ends.items()}
    print(f"{folder.name}: {len(record.seeds)} pairs; {plain} {_spread(change[plain])}")
    for name in others:
        gap = change[name] - change[plain]
        mean, error = float(gap.mean()), float(gap.std(ddof=1) / np.sqrt(len(gap)))
        reach = float(stats.t.ppf(0.975, len(gap) - 1)) * error
        pvalue = float(stats.ttest_1samp(gap, 0.0).pvalue)
        here, there = (foretold[arm].observables["share"] for arm in (name, plain))
        claim = (here.mean[-1] - here.start) - (there.mean[-1] - there.start)
        bands = [record.prediction.arms[arm].band.log_odds_mean for arm in (name, plain)]
        toy = float((bands[0][-1] - bands[0][0]) - (bands[1][-1] - bands[1][0]))
        unsure = np.hypot(here.stderr[-1], there.stderr[-1])
        print(f"{name} − {plain}: forecast {claim:+.2f} ± {unsure:.2f}, toy {toy:+.2f}", end="; ")
        print(f"measured {mean:+.2f} [{mean - reach:+.2f}, {mean + reach:+.2f}], p = {pvalue:.2g}", end="; ")
        print(f"the arm alone {_spread(change[name])}")


def _spread(change: Array) -> str:
    return f"{change.mean():+.2f} (over seeds {change.std(ddof=1):.2f})"


if __name__ == "__main__":
    for path in sys.argv[1:]:
        main(Path(path))
