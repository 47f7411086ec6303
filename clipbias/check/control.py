"""The placebo of one's own training: which lines change, which reward takes the place of one's own, and how far noise
alone may move it. Every control is paid by a coin; with one's own reward the same lines make an ablation."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from clipbias.common.errors import check
from clipbias.theory.surrogate import UNCLIPPED, PpoClip

from .answer import ppo_clip
from .check import Checked
from .forms import Change, form_of, written
from .kinds import KINDS, Kind
from .placebo import Known, Placebo, Power, placebo, power
from .settings import shown

CHOOSE = "CHOOSE"  # a value that only a run can tell


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One training to start. text: the changes in the file's own form. cannot: why the framework has no keys for it.
    how: what to do beyond the lines. placebo: how far noise alone moves it."""

    name: str
    changes: tuple[Change, ...]
    text: str
    cannot: str | None = None
    how: tuple[str, ...] = ()
    placebo: Placebo | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            "arm": self.name,
            "changes": [
                {"key": c.key, "value": c.value, "was": None if c.was is None else shown(c.was)} for c in self.changes
            ],
            "text": self.text,
            "cannot": self.cannot,
            "how": list(self.how),
            "null_band": None if self.placebo is None else self.placebo.to_json(),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """arms: one, or for one-sided two. reward_source: a coin as reward, in the framework's own form. seeds: in each."""

    kind: Kind
    seeds: int
    form: str
    arms: tuple[Arm, ...]
    reward_source: str
    power: Power | None

    def to_json(self) -> dict[str, Any]:
        first, *further = (arm.to_json() for arm in self.arms)
        rest = {
            "reward_source": self.reward_source,
            "power": None if self.power is None else self.power.to_json(),
            "further_arms": further,
        }
        return {"kind": self.kind, "form": self.form} | first | rest


def control(found: Checked, kind: Kind, known: Known | None = None, *, seed: int = 0) -> Control:
    """What to change for one kind of control. seed: of the coin.

    random: nothing but the reward. no-clip: every bound switched off. matched-kl: no bounds, and as far from the start
    as with them. one-sided: one bound alone, either one. InputError for an unknown kind.
    """
    check(kind in KINDS, "control", f"one of {', '.join(KINDS)}", kind)
    known = known or Known()
    check(0.0 < known.success_prob < 1.0, "success_prob", "in (0, 1) for a coin", known.success_prob)
    arms = _arms(found, kind, known)
    return Control(
        kind=kind,
        seeds=known.seeds,
        form=form_of(found),
        arms=arms,
        reward_source=found.framework.reward.format(success_prob=repr(known.success_prob), seed=seed),
        power=power(arms[0].placebo, known),
    )


def _arms(found: Checked, kind: Kind, known: Known) -> tuple[Arm, ...]:
    keys, loss = found.training.keys, found.training.loss
    clip = (ppo_clip(loss) if found.answer.clip_can_act else None) or UNCLIPPED
    match kind:
        case "random":
            return (_arm(found, "random", (), clip, known),)
        case "no-clip":
            return (_arm(found, "no-clip", keys.no_clip, UNCLIPPED, known),)
        case "matched-kl":
            held = ((keys.kl, CHOOSE),) if keys.kl is not None and keys.no_clip else ()
            return (_arm(found, "matched-kl", (*keys.no_clip, *held), UNCLIPPED, known, _matching(keys.kl)),)
    return (
        _arm(found, "high-only", keys.high_only, PpoClip(None, clip.high), known),
        _arm(found, "low-only", keys.low_only, PpoClip(clip.low, None), known),
    )


def _matching(key: str | None) -> tuple[str, ...]:
    """How the strength of the KL term is found; no number is known beforehand."""
    held = (
        "no key of a KL term: the learning rate instead, halving"
        if key is None
        else f"{key}: doubling from a small one"
    )
    return (
        "train the random control, and note the KL to the untrained model at its end, seed by seed",
        f"train without bounds at a few strengths of what holds the policy back ({held}), on the same seeds and coins",
        "take the strength at which the mean KL equals that of the random control, interpolated in logarithms",
        "train it on fresh seeds; matched is a KL whose 95 % interval over seeds holds the random control's mean",
        "the range is that of the training without what holds it back: at most so wide",
    )


def _arm(
    found: Checked,
    name: str,
    pairs: Sequence[tuple[str, Any]],
    clip: PpoClip,
    known: Known,
    how: tuple[str, ...] = (),
) -> Arm:
    entries, loss = found.settings.entries, found.training.loss
    if name != "random" and not pairs:
        bounds = loss.lower is not None or loss.upper is not None
        why = "has no key that does this" if bounds else "has no bounds to switch off"
        return Arm(name=name, changes=(), text="", cannot=f"{found.framework.title}'s loss {loss.name} {why}")
    if name != "random" and found.answer.clip_can_act is False:
        how = ("the clip cannot act here: this is the random control over again", *how)
    changes = tuple(
        Change(key=key, value=value, was=entries[key].value if key in entries else None) for key, value in pairs
    )
    text = written(changes, form_of(found), found.settings.program) if changes else ""
    return Arm(name=name, changes=changes, text=text, how=how, placebo=placebo(found, clip, known))
