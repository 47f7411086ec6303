"""What a reward will teach a model before it is trained: the tangent model's law over seeds, with its own error.

One survey serves every reward, and is read in folds (`folds`).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch
from scipy.special import ndtri

from clipbias.common.arrays import Array
from clipbias.common.errors import check
from clipbias.simulate.tangent.engine import Training
from clipbias.simulate.tangent.reading import Observable, Reader
from clipbias.simulate.tangent.tree import Tree

from .causes import Causes, Part
from .folds import SurveyReward, read_values, readable, survey_stderr, trained_folds

SCHEMA = 1
LOW, HIGH = 0.05, 0.95
LEAST_EFFECTIVE = 4.0  # answers that a problem must still be worth after reweighting


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Outlook:
    """One observable after 0…T phases, [T + 1] each, in its own unit (log-odds of a share, or tokens).

    mean, std: over seeds. stderr: of the mean, by the survey's finite size and the finite number of simulated seeds.
    low, high: where 90 % of seeds should end, errors included. start_stderr: of the observable before training.
    """

    mean: Array
    std: Array
    stderr: Array
    low: Array
    high: Array
    start_stderr: float

    @property
    def start(self) -> float:
        return float(self.mean[0])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Forecast:
    """One reward. paid: mean reward of the untrained model's answers. mixed: chance that a group's rewards differ, as
    they must for a gradient. first_success: chance that a phase has a positive reward at all; where the survey saw
    none, an upper bound that is exceeded in one survey of twenty. effective [T + 1]: answers a problem is worth after
    reweighting, in the fold that has fewest. clip_low, clip_high [M]: shares of tokens clipped, by mini-batch, over all
    phases. kl [T]: a phase's, per token. seeds: simulated. unread: observables of which nothing can be foretold, since
    in some fold of the survey they hold of all answers or of none. causes: by observable, where they were asked for."""

    observables: dict[str, Outlook]
    paid: float
    mixed: float
    first_success: float
    effective: Array
    clip_low: Array
    clip_high: Array
    kl: Array
    seeds: int
    unread: tuple[str, ...]
    causes: dict[str, Causes] = field(default_factory=dict)

    @property
    def lasting(self) -> int:
        """Phases after which the survey's answers still say something of the moved model."""
        enough = self.effective[1:] >= min(LEAST_EFFECTIVE, self.effective[0] / 2)
        return len(enough) if enough.all() else int(np.argmin(enough))

    def answers_needed(self, answers: int) -> int:
        """About how many answers to a problem, of which the survey had `answers`, would last a phase longer."""
        worth = self.effective[min(self.lasting + 1, len(self.effective) - 1)]
        return int(np.ceil(answers * LEAST_EFFECTIVE / max(worth, 1.0)))


def forecast(
    tree: Tree,
    observables: Sequence[Observable],
    reward: SurveyReward,
    training: Training,
    *,
    phases: int,
    seeds: int,
    seed: int,
    model_error: float = 0.0,
) -> Forecast:
    """model_error: of a mean change of log-odds, for each phase, beyond the survey's: what the tangent model itself was
    off on another model. It grows with the way that the parameters have gone, which under Adam is as long for all
    rewards."""
    read = readable(tree, observables)
    runs = trained_folds(tree, read, reward, training, phases, seeds, seed)
    values = read_values(runs)
    whole = Reader(tree, read).read(torch.zeros(1, tree.gradients.shape[1])).values[0].double().numpy()
    off = [model_error if seen.log_odds else 0.0 for seen in read]
    found = {seen.name: _outlook(values[..., i], float(whole[i]), off[i]) for i, seen in enumerate(read)}
    joined = [torch.cat([getattr(run, name) for run in runs]) for name in ("clip_low", "clip_high", "kl")]
    paid, mixed, first_success = _payment(tree, reward, training)
    return Forecast(
        observables=found,
        paid=paid,
        mixed=mixed,
        first_success=first_success,
        effective=np.stack([run.readings.effective.double().numpy().mean(0) for run in runs]).min(0),
        clip_low=joined[0].double().mean((0, 1)).numpy(),
        clip_high=joined[1].double().mean((0, 1)).numpy(),
        kl=joined[2].double().mean(0).numpy(),
        seeds=values.shape[0] * values.shape[1],
        unread=tuple(seen.name for seen in observables if seen not in read),
    )


def _outlook(values: Array, start: float, model_error: float) -> Outlook:
    """values [folds, R, T + 1]: readings of one observable, whose changes are averaged over folds."""
    folds = values.shape[0]
    change = values - values[:, :, :1]
    fold_mean = change.mean(1)
    mean = fold_mean.mean(0)
    stderr = survey_stderr(fold_mean)
    seeds = change - fold_mean[:, None]
    seeds = seeds.reshape(-1, change.shape[-1]) * np.sqrt(change.shape[1] / max(1, change.shape[1] - 1))
    own = np.hypot(stderr, model_error * np.arange(len(mean)))
    ends = []
    for level in (LOW, HIGH):
        far = np.quantile(seeds, level, axis=0)
        ends.append(start + mean + np.sign(ndtri(level)) * np.hypot(far, ndtri(level) * own))
    return Outlook(
        mean=start + mean,
        std=seeds.std(0),
        stderr=own,
        low=ends[0],
        high=ends[1],
        start_stderr=float(np.sqrt(values[:, 0, 0].var(ddof=1) / folds)),
    )


def _payment(tree: Tree, reward: SurveyReward, training: Training) -> tuple[float, float, float]:
    """What the untrained model earns: paid, mixed, first_success."""
    size, samples = training.group_size, training.groups * training.group_size
    if isinstance(reward.paid, float):
        chance = reward.paid
        return chance, 1 - chance**size - (1 - chance) ** size, 1 - (1 - chance) ** samples
    count, problem = tree.count.numpy().astype(np.float64), tree.problem.numpy()
    kept = np.ones(len(count), dtype=bool) if reward.problems is None else np.isin(problem, reward.problems)
    paid, count, problem = np.asarray(reward.paid)[kept], count[kept], problem[kept]
    mixed, never = [], []
    for i in np.unique(problem):
        mine, weight = paid[problem == i], count[problem == i] / count[problem == i].sum()
        same = sum(weight[mine == value].sum() ** size for value in np.unique(mine))
        mixed.append(1.0 - same)
        never.append(weight[mine <= 0].sum() ** size)
    if (paid > 0).any():
        first = 1.0 - float(np.mean(never)) ** training.groups
    else:
        first = 1.0 - 0.05 ** (samples / count.sum())  # (1 − p)^n = 0.05 bounds p, and a phase draws `samples`
    return float((paid * count).sum() / count.sum()), float(np.mean(mixed)), first


def to_text(forecasts: Mapping[str, Forecast]) -> str:
    """JSON, to the byte, of forecasts by the name of their arm."""
    listed = {name: _plain(asdict(found)) for name, found in forecasts.items()}
    return json.dumps({"schema": SCHEMA, "forecasts": listed}, indent=1, allow_nan=False) + "\n"


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    return value.tolist() if isinstance(value, np.ndarray) else value


def from_text(text: str) -> dict[str, Forecast]:
    """Raises KeyError, TypeError or ValueError where the text holds no forecasts of this schema."""
    found = json.loads(text)
    check(found["schema"] == SCHEMA, "forecast.json", f"of schema {SCHEMA}", found["schema"])
    return {name: _read(entry) for name, entry in found["forecasts"].items()}


def _read(entry: dict[str, Any]) -> Forecast:
    outlooks = {name: Outlook(**_arrays(line)) for name, line in entry.pop("observables").items()}
    causes = {
        name: Causes(**{part: Part(**found) for part, found in line.items()})
        for name, line in entry.pop("causes", {}).items()
    }
    unread = tuple(entry.pop("unread"))
    return Forecast(**_arrays(entry), observables=outlooks, unread=unread, causes=causes)


def _arrays(entry: dict[str, Any]) -> dict[str, Any]:
    return {key: np.asarray(value) if isinstance(value, list) else value for key, value in entry.items()}
