"""`clipbias validate`: real training runs against predictions written beforehand."""

import json
from pathlib import Path

import click

from clipbias.common.tables import one_line_errors

FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


def _say(as_json: bool, value: dict[str, object], text: str) -> None:
    click.echo(json.dumps(value, allow_nan=False) if as_json else text)


@click.group(no_args_is_help=False)
def validate() -> None:
    """Train real models under TRL and test predictions that were written beforehand."""


@validate.command()
@click.argument("recipe", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="Run folder to create.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def run(recipe: Path, out: Path, as_json: bool) -> None:
    """Measure, predict, train every arm of RECIPE. A folder made from the same recipe is taken up where it stopped.

    Example: clipbias validate run recipes/organism.toml --out runs/organism
    """
    with one_line_errors():
        from clipbias.validate.protocol import run as protocol

        protocol.start(recipe, out)
        protocol.resume(out)
    _finished(out, as_json)


@validate.command()
@click.argument("folder", metavar="DIR", type=FOLDER)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def resume(folder: Path, as_json: bool) -> None:
    """Finish the run in DIR after it was stopped; it ends with the numbers it would have had.

    Example: clipbias validate resume runs/organism
    """
    with one_line_errors():
        from clipbias.validate.protocol import run as protocol

        protocol.resume(folder)
    _finished(folder, as_json)


def _finished(folder: Path, as_json: bool) -> None:
    from clipbias.common.files import read_json

    manifest = read_json(folder / "manifest.json")
    value = {
        "run": str(folder),
        "status": manifest["status"],
        "prediction_sha256": manifest["prediction_sha256"],
    }
    _say(
        as_json,
        value,
        f"{folder}: {manifest['status']}; next: clipbias validate report {folder} --out report.html",
    )


@validate.command()
@click.argument("folders", metavar="DIR...", nargs=-1, required=True, type=FOLDER)
@click.option("--out", required=True, type=click.Path(dir_okay=False, path_type=Path), help="The HTML file to write.")
@click.option("--json", "as_json", is_flag=True, help="Print the report's JSON object and nothing else.")
def report(folders: tuple[Path, ...], out: Path, as_json: bool) -> None:
    """Write a self-contained HTML report, and the same name with .json, from finished runs.

    Refused where a prediction was changed after its run, or is younger than it.

    Example: clipbias validate report runs/organism --out report.html
    """
    with one_line_errors():
        from clipbias.common.errors import check
        from clipbias.validate.report.run_page import write_report

        check(out.suffix == ".html", "--out", "a file name that ends in .html", str(out))

        written = write_report(list(folders), out)
    verdicts = [f"{entry['name']}: {verdict}" for entry in written["runs"] for verdict in entry["verdicts"]]
    _say(as_json, written, "\n".join([*verdicts, f"wrote {out} and {out.with_suffix('.json')}"]))


@validate.command()
@click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="Results and report.")
@click.option(
    "--runs",
    default="runs/suite",
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the runs themselves are kept (a few GB).",
)
@click.option(
    "--plan",
    default="recipes/suite.toml",
    show_default=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Which recipes run on which organisms.",
)
@click.option("--spec", "specs", multiple=True, help="Organism to use instead of the plan's: a name or a spec (.toml).")
@click.option("--only", multiple=True, help="Run only this recipe of the plan (its name; may be given several times).")
@click.option("--quick", is_flag=True, help="Few seeds and phases: shows that all of it runs, concludes nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print the report's JSON object and nothing else.")
def suite(
    out: Path, runs: Path, plan: Path, specs: tuple[str, ...], only: tuple[str, ...], quick: bool, as_json: bool
) -> None:
    """Run every experiment of the paper on organisms, freeze each when it is done, and write one report.

    Organisms are pretrained from their specs where they are missing (minutes each). Stopped at any point, the same
    command goes on; where all is frozen already it only writes the report.

    \b
    Example: clipbias validate suite --out docs/results
    Example: clipbias validate suite --spec mine.toml --only rewards --out runs/mine --runs runs/mine-runs
    """
    with one_line_errors():
        from clipbias.validate.protocol.plan import read_plan
        from clipbias.validate.protocol.suite import run_suite

        written = run_suite(read_plan(plan, specs, only, quick), out, runs)
    lines = [
        f"{answer['letter']}  {answer['question']}  "
        + ", ".join(f"{n} {verdict}" for verdict, n in answer["counts"].items())
        for answer in written["answers"]
    ]
    _say(as_json, written, "\n".join([*lines, f"wrote {out / 'report.html'} and {out / 'report.json'}"]))
