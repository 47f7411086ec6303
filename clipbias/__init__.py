"""What clipping does to a policy when the reward says nothing: theory, simulation, and real training runs.

    >>> import clipbias as cb
    >>> clip = cb.PpoClip(low=0.2, high=0.2)
    >>> config = cb.PhaseConfig(
    ...     learning_rate=1.0, group_size=16, groups_per_minibatch=4, minibatches=8, success_prob=0.5, surrogate=clip
    ... )
    >>> for method in (cb.Exact(), cb.Paths(), cb.MonteCarlo()):
    ...     law = cb.law((0.65, 0.35), config, method=method)
    ...     print(f"{law.method:12} log-odds {law.log_odds_shift}, spread {law.log_odds_std}")
    exact        log-odds 0.02554, spread 0.1976
    paths        log-odds 0.02614 ± 0.0005, spread 0.197 ± 0.0006
    monte-carlo  log-odds 0.02481 ± 0.0006, spread 0.1978 ± 0.0004

What is named here is the public interface, in six groups: the problem, what solves it, single formulas, sweeps, the
experiments with real models, and the monitor of a training; the last two need the extra `validate`. A name is loaded
when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    # For type checkers and editors, which do not run `__getattr__`; tests/test_api.py holds it to the groups below.
    from clipbias.common.errors import InputError as InputError
    from clipbias.monitor.callback import ClippingMonitor as ClippingMonitor
    from clipbias.monitor.verl import read_verl as read_verl
    from clipbias.simulate.methods import Autograd as Autograd
    from clipbias.simulate.methods import Enumeration as Enumeration
    from clipbias.simulate.methods import MonteCarlo as MonteCarlo
    from clipbias.simulate.sweeps.design import read_design as read_design
    from clipbias.simulate.sweeps.executors import on_processes as on_processes
    from clipbias.simulate.sweeps.point import Point as Point
    from clipbias.simulate.sweeps.sweep import run_sweep as run_sweep
    from clipbias.theory.estimate import Estimate as Estimate
    from clipbias.theory.formulas.advantage import advantage_moments as advantage_moments
    from clipbias.theory.formulas.covariance import gradient_covariance as gradient_covariance
    from clipbias.theory.formulas.drift import expected_gradient as expected_gradient
    from clipbias.theory.formulas.entropy import step_entropy_shift as step_entropy_shift
    from clipbias.theory.formulas.immunity import immune_above as immune_above
    from clipbias.theory.formulas.mixture import gain_parts as gain_parts
    from clipbias.theory.formulas.mixture import mixture_accuracy as mixture_accuracy
    from clipbias.theory.formulas.neutral import expected_push as expected_push
    from clipbias.theory.formulas.neutral import neutral_clip_high as neutral_clip_high
    from clipbias.theory.formulas.noise import ito_shift as ito_shift
    from clipbias.theory.formulas.reward import reward_drift as reward_drift
    from clipbias.theory.law import Exact as Exact
    from clipbias.theory.law import Gaussian as Gaussian
    from clipbias.theory.law import Law as Law
    from clipbias.theory.law import Paths as Paths
    from clipbias.theory.law import law as law
    from clipbias.theory.laws.calibrate import learning_rate_for_spread as learning_rate_for_spread
    from clipbias.theory.laws.decomposition import decomposition as decomposition
    from clipbias.theory.laws.neutral_phase import neutral_clip_high_of_phase as neutral_clip_high_of_phase
    from clipbias.theory.setup import PhaseConfig as PhaseConfig
    from clipbias.theory.surrogate import UNCLIPPED as UNCLIPPED
    from clipbias.theory.surrogate import Cispo as Cispo
    from clipbias.theory.surrogate import Dppo as Dppo
    from clipbias.theory.surrogate import Gspo as Gspo
    from clipbias.theory.surrogate import PpoClip as PpoClip
    from clipbias.theory.surrogate import Probability as Probability
    from clipbias.theory.surrogate import Sapo as Sapo
    from clipbias.theory.update_rule import Adam as Adam
    from clipbias.theory.update_rule import Sgd as Sgd
    from clipbias.theory.update_rule import UpdateRule as UpdateRule
    from clipbias.validate.judge.finding import Finding as Finding
    from clipbias.validate.predict.predict import predict as predict
    from clipbias.validate.predict.prediction import ArmClaim as ArmClaim
    from clipbias.validate.predict.prediction import Prediction as Prediction
    from clipbias.validate.recipe.recipe import Recipe as Recipe
    from clipbias.validate.recipe.recipe import load_recipe as load_recipe
    from clipbias.validate.store.frozen import read_frozen as read_frozen
    from clipbias.validate.store.run_record import RunRecord as RunRecord
    from clipbias.validate.store.run_record import read_run as read_run

    __version__: str

PROBLEM = {
    "theory.setup": ("PhaseConfig",),
    "theory.surrogate": ("PpoClip", "Cispo", "Sapo", "Gspo", "Dppo", "Probability", "UNCLIPPED"),
    "theory.update_rule": ("UpdateRule", "Sgd", "Adam"),
    "common.errors": ("InputError",),
}
SOLVE = {
    "theory.law": ("law", "Law", "Exact", "Gaussian", "Paths"),
    "theory.estimate": ("Estimate",),
    "simulate.methods": ("MonteCarlo", "Autograd", "Enumeration"),
}
FORMULAS = {
    "theory.formulas.advantage": ("advantage_moments",),
    "theory.formulas.drift": ("expected_gradient",),
    "theory.formulas.covariance": ("gradient_covariance",),
    "theory.formulas.reward": ("reward_drift",),
    "theory.formulas.entropy": ("step_entropy_shift",),
    "theory.formulas.neutral": ("neutral_clip_high", "expected_push"),
    "theory.formulas.immunity": ("immune_above",),
    "theory.formulas.noise": ("ito_shift",),
    "theory.formulas.mixture": ("mixture_accuracy", "gain_parts"),
    "theory.laws.neutral_phase": ("neutral_clip_high_of_phase",),
    "theory.laws.decomposition": ("decomposition",),
    "theory.laws.calibrate": ("learning_rate_for_spread",),
}
SWEEPS = {
    "simulate.sweeps.point": ("Point",),
    "simulate.sweeps.design": ("read_design",),
    "simulate.sweeps.executors": ("on_processes",),
    "simulate.sweeps.sweep": ("run_sweep",),
}
VALIDATE = {
    "validate.recipe.recipe": ("Recipe", "load_recipe"),
    "validate.predict.predict": ("predict",),
    "validate.predict.prediction": ("Prediction", "ArmClaim"),
    "validate.store.run_record": ("RunRecord", "read_run"),
    "validate.store.frozen": ("read_frozen",),
    "validate.judge.finding": ("Finding",),
}
MONITOR = {
    "monitor.callback": ("ClippingMonitor",),
    "monitor.verl": ("read_verl",),
}
_HOME = {
    name: module
    for group in (PROBLEM, SOLVE, FORMULAS, SWEEPS, VALIDATE, MONITOR)
    for module, names in group.items()
    for name in names
}
__all__ = [*_HOME, "__version__"]


if not TYPE_CHECKING:  # else any name would pass a type checker

    def __getattr__(name: str) -> Any:
        if name == "__version__":
            from importlib.metadata import version  # tens of milliseconds to load

            return version("clipbias")
        if name not in _HOME:
            raise AttributeError(f"module 'clipbias' has no attribute {name!r}")
        value = getattr(import_module(f"clipbias.{_HOME[name]}"), name)
        globals()[name] = value  # the next time without this detour
        return value


def __dir__() -> list[str]:
    return sorted(__all__)
