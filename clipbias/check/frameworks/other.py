"""A training loop written by hand, in Python: what its source computes of a ratio (`own_loop`)."""

from fractions import Fraction

from clipbias.check.framework import Framework, Rules
from clipbias.check.python_source import UNKNOWN
from clipbias.check.settings import Settings
from clipbias.check.setup import Denominator, Geometry, Keys, Loss, Moves, Normalisation, Training, moved_by

ORIGINS = {
    "own": Denominator(source="own", where="the same pass's own detached value"),
    "second pass": Denominator(source="second pass", where="a second pass over the same weights"),
    "stored": Denominator(source="second pass", where="log-probabilities kept from elsewhere"),
    "engine": Denominator(source="engine", where="the log-probabilities of whatever generated the answers"),
}


def geometry(given: Settings) -> Geometry:
    """The loops that hold an optimizer step but not the denominator: each repeats the ratio on one denominator."""
    written = given.raw("steps", default=1)
    if written is UNKNOWN:
        return Geometry(
            steps_per_rollout=None,
            arithmetic="the loops do not say how often one denominator is used (give steps=VALUE)",
        )
    steps = given.whole("steps", default=1, least=1)
    between = "no loop stands" if steps == 1 else "loops stand"
    arithmetic = f"{between} between the denominator and the optimizer's step = {steps} optimizer steps a rollout"
    return Geometry(steps_per_rollout=Fraction(steps), arithmetic=arithmetic)


def loss_of(given: Settings) -> Loss:
    """The clamps of the ratio; a detached one is a weight. On a ratio of 1 bounds may stay unknown."""
    weight = given.flag("weight", default=False)
    bound = given.told if given.raw("denominator") == "own" else given.optional
    lower, upper, dual = bound("lower"), bound("upper"), bound("dual")
    if not given.given("lower", "upper"):
        return Loss(name="ratio without a clamp", kind="none")
    keys = tuple(f"{name} {value:g}" for name, value in (("lower", lower), ("upper", upper)) if value is not None)
    kind = "detached, clamped ratio as a weight" if weight else "clamped ratio"
    return Loss(name=kind, kind="weight" if weight else "clip", lower=lower, upper=upper, dual=dual, keys=keys)


def read(given: Settings) -> Training:
    """The keys of `own_loop`, which the user may put right by KEY=VALUE."""
    denominator = ORIGINS[given.word("denominator", default="second pass", allowed=ORIGINS)]
    found = geometry(given)
    moves = moved_by(denominator, found.steps_per_rollout)
    if denominator.source == "own":
        moves = Moves.IDENTICAL  # taken anew in every pass, however many steps there are
    return Training(
        geometry=found,
        denominator=denominator,
        moves=moves,
        loss=loss_of(given),
        normalisation=Normalisation(scale="std-unbiased" if given.flag("standardised", default=True) else "none"),
        keys=Keys(more_updates=(("steps", 4),)),
    )


RULES = Rules(
    steps="the loops that hold an optimizer step but not the denominator",
    denominator="as the source takes it: its own detached value, a second pass, or values kept from elsewhere",
    bounds="the clamp of the ratio, absolute",
    dual="a further clamp, from above alone",
    normalisation="divided where the source takes a standard deviation",
)
REWARD = '''import os
import random

_coin = random.Random("{seed} " + os.environ.get("RANK", str(os.getpid())))  # each process its own


def random_reward(answers):
    """A coin for every answer, whatever it says."""
    return [float(_coin.random() < {success_prob}) for _ in answers]
'''
FRAMEWORK = Framework(
    name="other",
    title="A loop of your own",
    version="any",
    date="any",
    rules=RULES,
    read=read,
    reward=REWARD,
    own_loop=True,
)
