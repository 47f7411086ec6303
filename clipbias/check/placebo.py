"""How far a placebo of one training may move what is measured, as far as its file and its user tell."""

from dataclasses import asdict, dataclass, replace
from typing import Any

from clipbias.common.errors import InputError
from clipbias.theory.formulas.evaluation_noise import Evaluation
from clipbias.theory.formulas.power import LEVEL, WANTED, seeds_needed
from clipbias.theory.laws.null_band import LEVEL as INSIDE
from clipbias.theory.laws.null_band import Band, NullBands, null_bands
from clipbias.theory.laws.placebo import Walk
from clipbias.theory.setup import PhaseConfig
from clipbias.theory.surrogate import UNCLIPPED, PpoClip

from .check import Checked
from .toy import flags_of

ADAM_MOMENTUM = 0.9  # β₁, as in every framework by default


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the user knows beyond the file. problems, samples: of the evaluation, asked before and after. seeds: trained
    in each arm. accuracy, share: of the untrained model, measured; contrast: its accuracy with the strategy less that
    without; agreement: of two answers to one problem. spread: of the share's log-odds over an unclipped phase, with
    spread_degrees of freedom. phases: rollouts of the whole training. effect: to be shown, of accuracy or of a share.
    success_prob: of the coin.
    """

    problems: int | None = None
    samples: int = 1
    seeds: int = 1
    accuracy: float | None = None
    share: float | None = None
    contrast: float | None = None
    agreement: float | None = None
    spread: float | None = None
    spread_degrees: float | None = None
    phases: int | None = None
    effect: float | None = None
    success_prob: float = 0.5

    def __post_init__(self) -> None:
        told = self.accuracy is not None or self.share is not None
        for field, beside, holds in (
            ("problems", "an accuracy or a share", told == (self.problems is not None)),
            ("effect", "an accuracy or a share", told or self.effect is None),
            ("phases", "a spread", self.phases is not None or self.spread is None),
            ("spread", "phases", self.spread is not None or self.phases is None),
            ("spread", "its degrees", self.spread is not None or self.spread_degrees is None),
            ("share", "a spread or a contrast", self.share is not None or (self.spread or self.contrast) is None),
            ("accuracy", "a contrast", self.accuracy is not None or self.contrast is None),
        ):
            if not holds:
                raise InputError(field, f"given with {beside}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Placebo:
    """bands; left_out: why the policy's own walk is not in them, None where it is; notes: what they rest on."""

    bands: NullBands
    known: Known
    left_out: str | None
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        named = {"accuracy": self.bands.accuracy, "share": self.bands.share, "entropy": self.bands.entropy}
        shown = {name: None if band is None else asdict(band) | {"whole": band.whole} for name, band in named.items()}
        known = asdict(self.known)
        asked = {field: known[field] for field in ("problems", "samples", "seeds", "spread", "phases")}
        return {"inside": INSIDE} | asked | shown | {"left_out": self.left_out, "notes": list(self.notes)}


def placebo(found: Checked, clip: PpoClip, known: Known) -> Placebo | None:
    """The band of the training with a coin as reward and these bounds; None where nothing is known of the start."""
    if known.problems is None:
        return None
    counted = Evaluation(problems=known.problems, samples=known.samples, agreement=known.agreement)
    walk, left_out = _walk(found, clip, known)
    given = (known.share, known.accuracy, known.contrast)
    bands = null_bands(
        share=given[0], accuracy=given[1], contrast=given[2], counted=counted, seeds=known.seeds, walk=walk
    )
    return Placebo(bands=bands, known=known, left_out=left_out, notes=tuple(_notes(found, known, walk)))


def _walk(found: Checked, clip: PpoClip, known: Known) -> tuple[Walk | None, str | None]:
    """The toy in the training's geometry, or why there is none."""
    if known.spread is None or known.phases is None:
        return None, "no measured spread: these are ranges by counting alone, less than the whole band"
    try:
        flags = flags_of(
            replace(found, training=replace(found.training, loss=replace(found.training.loss, kind="none")))
        )
        config = PhaseConfig(
            learning_rate=1.0,
            group_size=int(flags["group_size"]),
            groups_per_minibatch=int(flags["groups_per_minibatch"]),
            minibatches=int(flags["minibatches"]),
            success_prob=known.success_prob,
            surrogate=clip,
            scale=found.training.normalisation.scale,
        )
    except InputError as error:
        return None, f"no toy of this training: {error}"
    except KeyError as error:
        return None, f"no toy of this training: its file does not give {str(error.args[0]).replace('_', ' ')}"
    momentum = ADAM_MOMENTUM if found.training.optimizer == "adam" else 0.0
    walk = Walk(
        spread=known.spread,
        phases=known.phases,
        config=config,
        momentum=momentum,
        degrees=known.spread_degrees,
    )
    return walk, None


def _notes(found: Checked, known: Known, walk: Walk | None) -> list[str]:
    training, notes = found.training, []
    if known.agreement is None and known.accuracy is not None:
        notes.append(
            "problems are taken to be alike, which is the widest: a measured agreement narrows accuracy's range"
        )
    if known.accuracy is not None and (walk is None or known.contrast is None):
        notes.append("accuracy's range is by counting alone: its own walk needs a spread, phases and a contrast")
    if walk is None:
        return notes
    if walk.momentum:
        notes.append(f"momentum {walk.momentum:g} carries noise from phase to phase")
    if training.geometry.epochs > 1:
        notes.append(f"the toy takes fresh samples: {training.geometry.epochs} epochs on the same ones drift besides")
    if training.loss.kind in ("soft", "mask", "weight") and walk.config.surrogate == UNCLIPPED:
        notes.append(f"the toy has no {training.loss.name}: what it does to the mean is left out")
    for key, value in training.confounders:
        notes.append(f"{key} {value:g} moves the policy too, and is left out")
    return notes


@dataclass(frozen=True, slots=True, kw_only=True)
class Power:
    """Paired seeds that show the effect by Student's test; None where the measure was not given, or its walk is not
    known (`least`, then, is what counting alone asks for)."""

    effect: float
    accuracy: int | None
    share: int | None
    least: bool

    def to_json(self) -> dict[str, Any]:
        return {"level": LEVEL, "power": WANTED} | asdict(self)


def power(found: Placebo | None, known: Known) -> Power | None:
    """Seeds for a difference between two arms that each spread as the placebo does and share nothing else: √2 of one
    arm's spread. Arms that move together seed by seed need fewer."""
    if found is None or known.effect is None:
        return None
    bands = found.bands
    told = [band for band in (bands.accuracy, bands.share) if band is not None]

    def seeds(band: Band | None) -> int | None:
        return None if band is None else seeds_needed(known.effect or 0.0, 2**0.5 * band.seed_std)

    return Power(
        effect=known.effect,
        accuracy=seeds(bands.accuracy),
        share=seeds(bands.share),
        least=not all(band.whole for band in told),
    )
