"""What commands share: options, the configuration that they describe, named errors, and the printing of results."""

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from .cost import insist
from .kinds import Choice, ClipSide, Number, PlotFile, Probs, SurrogateSpec

if TYPE_CHECKING:
    from clipbias.theory.setup import PhaseConfig
    from clipbias.theory.surrogate import Surrogate

F = TypeVar("F", bound=Callable[..., Any])
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
FOLDER_TO_WRITE = click.Path(file_okay=False, path_type=Path)
METHODS = ("exact", "gaussian", "paths")
TWO_OUTCOME_METHODS = METHODS[:2]
SCALES = ("std", "std-unbiased", "none")
MOST_SHOWN = 16  # entries of a row of a table


def number(
    name: str, kind: type[int] | type[float], rule: str, text: str, default: float | None = None
) -> Callable[[F], F]:
    """An option that is required unless it has a default."""
    shown = f"{text} ({rule})"
    if default is None:  # an explicit default of None would count as given
        return click.option(name, type=Number(kind, rule), required=True, help=shown)
    return click.option(name, type=Number(kind, rule), default=default, show_default=True, help=shown)


probs = click.option("--probs", type=Probs(), required=True, help=f"The policy: {Probs.rule}.")
group_size = number("--group-size", int, "at least 2", "Samples per prompt")
success_prob = number("--success-prob", float, "in [0, 1]", "Probability that a sample is rewarded")
scale = click.option(
    "--scale",
    type=Choice(SCALES),
    default="std",
    show_default=True,
    help=f"Advantage normalisation: {', '.join(SCALES)}.",
)
method = click.option(
    "--method",
    type=Choice(METHODS),
    help="Law of one optimizer step: exact (two outcomes and groups of up to 128; the default there), gaussian (two"
    " outcomes), paths (any number, with sampling errors; the default for more than two).",
)
two_outcome_method = click.option(
    "--method",
    type=Choice(TWO_OUTCOME_METHODS),
    default="exact",
    show_default=True,
    help=f"Law of one optimizer step: {', '.join(TWO_OUTCOME_METHODS)} (exact for groups of up to 128).",
)
clip_low = click.option(
    "--clip-low",
    type=ClipSide(float, "in (0, 1] or none"),
    help="Lower bound of the ratio is 1 - this (in (0, 1] or none).",
)
clip_high = click.option(
    "--clip-high",
    type=ClipSide(float, "positive and finite, or none"),
    help="Upper bound of the ratio is 1 + this (positive and finite, or none).",
)
surrogate = click.option(
    "--surrogate", type=SurrogateSpec(), help=f"Instead of --clip-low and --clip-high: {SurrogateSpec.rule}."
)
plot = click.option("--plot", type=PlotFile(), help="Draw it too (.png, .pdf or .svg).")
json_flag = click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")


def stacked(*options: Callable[[F], F]) -> Callable[[F], F]:
    """One decorator from several, help in the order given."""

    def decorate(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


def _take_config(context: click.Context, param: click.Parameter, words: tuple[str, ...]) -> None:
    """What a training's configuration fixes becomes the default of every option that nobody gives."""
    if not words:
        return
    from clipbias.check.check import check_files
    from clipbias.check.toy import flags_of

    from .inputs import files_and_overrides

    found = check_files(*files_and_overrides(words))
    flags = flags_of(found)
    names = {option.name: option.opts[0] for option in context.command.params}
    if "epochs" not in names and flags.pop("epochs", "1") != "1":
        raise click.BadParameter(
            "goes through its samples more than once, which only `simulate run` does", context, param
        )
    if "surrogate" in names:
        flags.pop("clip_low", None)  # it is in the surrogate
    context.default_map = {name: value for name, value in flags.items() if name in names}
    taken = " ".join(f"{names[name]} {value}" for name, value in context.default_map.items())
    one = ", for one training process (or num_processes=N)" if found.settings.devices_asked else ""
    left = f"; not known to this command: {flags['optimizer']}" if "optimizer" not in names else ""
    click.echo(f"from {' '.join(words)}{one}: {taken}{left}", err=True)


config = click.option(
    "--config",
    multiple=True,
    is_eager=True,
    expose_value=False,
    callback=_take_config,
    metavar="FILE | KEY=VALUE",
    help="A training's configuration, as `clipbias check` reads it, in the place of group size, mini-batches, bounds,"
    " scale and optimizer; may be repeated. Options given beside it win.",
)
as_json = stacked(insist, json_flag)
shape_options = stacked(
    config,
    probs,
    number("--learning-rate", float, "at least 0 and finite", "Step size on the logits"),
    group_size,
    number("--groups-per-minibatch", int, "at least 1", "Groups in one optimizer step"),
    number("--minibatches", int, "at least 1", "Optimizer steps per phase"),
    clip_low,
    clip_high,
    surrogate,
)
phase_options = stacked(shape_options, success_prob, scale, as_json)


def is_given(name: str) -> bool:
    """Whether the command line has the parameter, be it at its default."""
    return click.get_current_context().get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE


def gate(clip_low: float | None, clip_high: float | None, surrogate: "Surrogate | None") -> "Surrogate":
    """The surrogate that --clip-low and --clip-high describe, or --surrogate; one of the two must be given."""
    from clipbias.theory.surrogate import PpoClip

    context = click.get_current_context()
    clips = [param for param in context.command.params if param.name in ("clip_low", "clip_high")]
    given = [clip for clip in clips if is_given(clip.name or "")]
    if surrogate is not None:
        if given and not is_given("surrogate") and isinstance(surrogate, PpoClip):  # it came with --config
            own = {clip.name or "": clip_low if clip.name == "clip_low" else clip_high for clip in given}
            return replace(surrogate, **{name.removeprefix("clip_"): bound for name, bound in own.items()})
        if given:
            raise click.BadParameter("must not be given beside --surrogate", context, given[0])
        return surrogate
    for clip in clips:
        if clip not in given:
            raise click.MissingParameter(ctx=context, param=clip)
    return PpoClip(clip_low, clip_high)


def phase_config(**flags: Any) -> "PhaseConfig":
    """The configuration that `phase_options` describe."""
    from clipbias.theory.setup import PhaseConfig

    return PhaseConfig(surrogate=gate(flags.pop("clip_low"), flags.pop("clip_high"), flags.pop("surrogate")), **flags)


def warn(doubts: Iterable[str]) -> None:
    """A method's doubts about its own accuracy, a line each on stderr."""
    for doubt in doubts:
        click.echo(f"Warning: {doubt}", err=True)


@contextmanager
def working(text: str) -> Iterator[None]:
    """A spinner on stderr for what may take seconds, where a person is watching."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status(text):
        yield


def draw(path: Path | None, figure: Callable[[], Any]) -> None:
    """Save the figure where one was asked for; matplotlib is loaded only then."""
    if path is None:
        return
    from clipbias.figures.theory import save

    with working("drawing"):
        drawn = figure()
        try:
            save(drawn, path)
        except OSError as error:
            context = click.get_current_context()
            param = next(param for param in context.command.params if isinstance(param.type, PlotFile))
            raise click.BadParameter(f"could not be written: {error.strerror or error}", context, param) from error
    click.echo(f"wrote {path}", err=True)


def show(value: dict[str, Any], as_json: bool, title: str, text: dict[str, str] | None = None) -> None:
    """One JSON object, or a table of the same keys (cells taken from `text` where it has them)."""
    if as_json:
        click.echo(json.dumps(value, allow_nan=False))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, title_justify="left", show_header=False, box=None, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for key, entry in (text or {key: readable(entry) for key, entry in value.items()}).items():
        table.add_row(key, entry)
    Console().print(table)


def say(as_json: bool, value: dict[str, Any], text: str) -> None:
    """One JSON object, or its text."""
    click.echo(json.dumps(value, allow_nan=False) if as_json else text)


def readable(entry: Any) -> str:
    """Four to five digits of whatever a result holds."""
    if isinstance(entry, dict) and set(entry) == {"mean", "stderr"}:
        means, errors = entry["mean"], entry["stderr"]
        if isinstance(means, list):
            return _row([f"{m:.5g} ± {e:.1g}" for m, e in zip(means, errors, strict=True)])
        return f"{means:.5g} ± {errors:.1g}"
    if isinstance(entry, dict):
        return "\n".join(f"{key:>5}  {readable(part)}" for key, part in entry.items())
    if isinstance(entry, list | tuple):
        return _row([readable(part) for part in entry])
    return f"{entry:.5g}" if isinstance(entry, float) else str(entry)


def _row(parts: list[str]) -> str:
    """All of a few, or both ends of many: nobody reads a thousand, and --json has them all."""
    if len(parts) > MOST_SHOWN:
        half = MOST_SHOWN // 4
        parts = [*parts[:half], f"… {len(parts) - 2 * half} more …", *parts[-half:]]
    return "  ".join(parts)
