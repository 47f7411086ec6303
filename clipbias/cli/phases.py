"""`clipbias theory phase` and `evolve`: one phase and many, by the law for two outcomes or along paths for more."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import options
from .cost import announce
from .options import show
from .results import theory_value, with_plus_minus

if TYPE_CHECKING:
    from clipbias.theory.law import Law, Method
    from clipbias.theory.setup import PhaseConfig

SIMULATED = "simulate run with as few --replicates as will do"
MAP_PHASES, PORTRAIT_PHASES = 24**2 + 1, 81  # of `figures.theory.entropy_map` and `evolve`


def _foretell(
    probs: tuple[float, ...], config: "PhaseConfig", phases: int, method: str | None, drawn: int, many: bool
) -> None:
    """drawn: whole phases by the gaussian step that a figure adds to a law of two outcomes."""
    from clipbias.theory.laws.cost import NANOSECOND, evolve_work, paths_work, phase_work
    from clipbias.theory.setup import MOST_PHASES

    simulated: dict[str, float | None] = {SIMULATED: None} if phases <= MOST_PHASES else {}
    fewer: dict[str, float | None] = {"fewer --minibatches": None}
    if method == "paths" or len(probs) > 2:
        followed = paths_work(len(probs), config, phases) * NANOSECOND
        announce(followed, simulated | ({"fewer --phases": None} if phases > 1 else {}) | fewer)
        return

    def seconds(by: Any, phases: int = phases) -> float:
        law = evolve_work(probs[0], config, phases, by) if many else phase_work(probs[0], config, by)
        return (law + (drawn and drawn * phase_work(probs[0], config, "gaussian"))) * NANOSECOND

    other: dict[str, float | None] = {} if method == "gaussian" else {"--method gaussian": seconds("gaussian")}
    whole = seconds(method or "exact")
    if many and seconds(method or "exact", 1) < whole / 2:  # else it is what comes before the first phase that costs
        fewer = {"fewer --phases": None}
    announce(whole, other | simulated | fewer)


def _solved(probs: tuple[float, ...], config: "PhaseConfig", phases: int, method: str | None) -> "Law":
    from clipbias.theory.law import Exact, Gaussian, Paths, law

    methods: dict[str, Method] = {"exact": Exact(), "gaussian": Gaussian(), "paths": Paths()}
    with options.working(f"{phases} phases"):
        found = law(probs, config, phases, method=None if method is None else methods[method])
    options.warn(found.warnings)
    return found


@click.command()
@options.phase_options
@options.method
@options.plot
def phase(probs: tuple[float, ...], method: str | None, plot: Path | None, as_json: bool, **flags: Any) -> None:
    """Expected change over one phase of rollouts. --plot: entropy over clip low and clip high (two outcomes), or every
    outcome's move.

    \b
    Example: clipbias theory phase --probs 0.65,0.35 --learning-rate 0.5 --group-size 16 --groups-per-minibatch 4 \\
        --minibatches 8 --clip-low 0.2 --clip-high 0.2 --success-prob 0.5
    """
    config = options.phase_config(**flags)
    _foretell(probs, config, 1, method, MAP_PHASES if plot else 0, many=False)
    found = _solved(probs, config, 1, method)

    def figure() -> Any:
        from clipbias.figures import theory as figures

        return figures.outcomes(probs, found) if found.method == "paths" else figures.entropy_map(probs[0], config)

    options.draw(plot, figure)
    value = theory_value(found, many=False)
    show(value, as_json, "One phase", with_plus_minus(value))


@click.command()
@options.phase_options
@options.number("--phases", int, "at least 1", "Phases")
@options.method
@options.plot
def evolve(
    probs: tuple[float, ...], phases: int, method: str | None, plot: Path | None, as_json: bool, **flags: Any
) -> None:
    """The law of the policy after many phases. --plot: bands over the phases and a portrait (two outcomes), or every
    outcome's move.

    \b
    Example: clipbias theory evolve --probs 0.65,0.35 --learning-rate 0.5 --group-size 16 --groups-per-minibatch 4 \\
        --minibatches 8 --clip-low 0.2 --clip-high 0.2 --success-prob 0.5 --phases 100
    """
    config = options.phase_config(**flags)
    _foretell(probs, config, phases, method, PORTRAIT_PHASES if plot else 0, many=True)
    found = _solved(probs, config, phases, method)

    def figure() -> Any:
        from clipbias.figures import theory as figures

        return figures.outcomes(probs, found) if found.method == "paths" else figures.evolve(probs[0], config, found)

    options.draw(plot, figure)
    value = theory_value(found, many=True)
    show(value, as_json, f"After {phases} phases", with_plus_minus(value))
