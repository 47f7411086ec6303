"""`clipbias validate`: real training runs against predictions written beforehand."""

from pathlib import Path

import click

from . import models, options
from .cost import announce
from .plan import plan

LEDGER = click.option(
    "--ledger",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Ledger to enter the prediction in before anything is trained.",
)
PUBLISHED_SECONDS = 40.0  # of `published`: the same work every time, measured


@click.group(no_args_is_help=False)
def validate() -> None:
    """Train real models under TRL and test predictions that were written beforehand."""


for command in (plan, models.organism, models.convert, models.evaluate, models.pull):
    validate.add_command(command)


@validate.command()
@click.argument("recipe", type=options.FILE)
@click.option("--out", required=True, type=options.FOLDER_TO_WRITE, help="Run folder to create.")
@LEDGER
@options.json_flag
def run(recipe: Path, out: Path, ledger: Path | None, as_json: bool) -> None:
    """Measure, predict, train every arm of RECIPE. A folder made from the same recipe is taken up where it stopped.

    Example: clipbias validate run recipes/organism.toml --out runs/organism
    """
    from clipbias.validate.protocol import run as protocol

    protocol.start(recipe, out)
    protocol.resume(out, ledger)
    _finished(out, as_json)


@validate.command()
@click.argument("folder", metavar="DIR", type=options.FOLDER)
@LEDGER
@options.json_flag
def resume(folder: Path, ledger: Path | None, as_json: bool) -> None:
    """Finish the run in DIR after it was stopped; it ends with the numbers it would have had.

    Example: clipbias validate resume runs/organism
    """
    from clipbias.validate.protocol import run as protocol

    protocol.resume(folder, ledger)
    _finished(folder, as_json)


def _finished(folder: Path, as_json: bool) -> None:
    from clipbias.common.files import read_json

    manifest = read_json(folder / "manifest.json")
    value = {
        "run": str(folder),
        "status": manifest["status"],
        "prediction_sha256": manifest["prediction_sha256"],
    }
    options.say(
        as_json,
        value,
        f"{folder}: {manifest['status']}; next: clipbias validate report {folder} --out report.html",
    )


@validate.command()
@click.argument("recipe", type=options.FILE)
@click.option("--out", required=True, type=options.FOLDER_TO_WRITE, help="Folder for the survey and forecast.json.")
@options.json_flag
def forecast(recipe: Path, out: Path, as_json: bool) -> None:
    """Foretell what every arm of RECIPE will teach, from a survey of the untrained model, and train nothing.

    Example: clipbias validate forecast recipes/organism.toml --out runs/forecast
    """
    from clipbias.validate.protocol.forecast import forecast_only
    from clipbias.validate.report.forecast_words import forecast_table

    written = forecast_only(recipe, out)
    value: dict[str, object] = {
        "forecast": str(written.file),
        "sha256": written.sha256,
        "arms": list(written.forecasts),
    }
    options.say(as_json, value, f"{forecast_table(written.forecasts)}\nwrote {written.file}, SHA-256 {written.sha256}")


@validate.command()
@click.argument("folders", metavar="DIR...", nargs=-1, required=True, type=options.FOLDER)
@click.option("--out", required=True, type=click.Path(dir_okay=False, path_type=Path), help="The HTML file to write.")
@click.option("--json", "as_json", is_flag=True, help="Print the report's JSON object and nothing else.")
def report(folders: tuple[Path, ...], out: Path, as_json: bool) -> None:
    """Write a self-contained HTML report, and the same name with .json, from finished runs.

    Of frozen runs it is the report of their forecasts. Refused where a prediction was changed after its run, or is
    younger than it.

    \b
    Example: clipbias validate report runs/organism --out report.html
    Example: clipbias validate report docs/results/first-phases --out forecasts.html
    """
    from clipbias.common.errors import check
    from clipbias.validate.report.forecast_page import foretold, write_forecast_page
    from clipbias.validate.report.run_page import write_report
    from clipbias.validate.store.frozen import is_frozen, read_frozen

    check(out.suffix == ".html", "out", "a file name that ends in .html", str(out))
    if all(map(is_frozen, folders)):
        runs = {folder: foretold(read_frozen(folder)) for folder in folders}
        without = [str(folder) for folder, run in runs.items() if run is None]
        check(not without, "DIR", "frozen runs whose recipe has a [forecast]", ", ".join(without))
        forecasts = write_forecast_page([run for run in runs.values() if run is not None], out)
        value, lines = forecasts.json, forecasts.sentences
    else:
        written = write_report(list(folders), out)
        value, lines = written.json, written.verdicts
    options.say(as_json, value, "\n".join([*lines, f"wrote {out} and {out.with_suffix('.json')}"]))


@validate.command()
@click.option("--out", required=True, type=options.FOLDER_TO_WRITE, help="Results and report.")
@click.option(
    "--runs",
    default="runs/suite",
    show_default=True,
    type=options.FOLDER_TO_WRITE,
    help="Where the runs themselves are kept (a few GB).",
)
@click.option(
    "--plan",
    default="recipes/suite.toml",
    show_default=True,
    type=options.FILE,
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
    from clipbias.validate.protocol.plan import read_plan
    from clipbias.validate.protocol.suite import run_suite

    written = run_suite(read_plan(plan, specs, only, quick), out, runs)
    lines = [
        f"{answer.question.letter}  {answer.question.text}  "
        + ", ".join(f"{n} {verdict}" for verdict, n in answer.counts.items())
        for answer in written.answers
    ]
    options.say(as_json, written.json, "\n".join([*lines, f"wrote {out / 'report.html'} and {out / 'report.json'}"]))


@validate.command()
@click.option(
    "--page", type=click.Path(dir_okay=False, path_type=Path), help="Write it as Markdown (.md), with a figure."
)
@options.stacked(options.plot, options.json_flag)
def published(page: Path | None, plot: Path | None, as_json: bool) -> None:
    """Confront the theory with the published record: what it explains, what not, and what contradicts it.

    Nothing is trained. Predictions know nothing of what they are compared with, and the rules of the verdicts were
    fixed before them.

    Example: clipbias validate published --page published.md
    """
    from clipbias.common.errors import check
    from clipbias.common.files import write_text
    from clipbias.published.answer import published as confronted
    from clipbias.published.page import page as written
    from clipbias.published.verdict import VERDICTS

    check(page is None or page.suffix == ".md", "page", "a file name that ends in .md", str(page))
    announce(PUBLISHED_SECONDS, {})
    answer = confronted()
    if page is not None or plot is not None:
        from clipbias.figures.published import published as figure

        if page is not None:
            options.draw(page.with_suffix(".png"), lambda: figure(answer))
            write_text(page, written(answer, page.with_suffix(".png").name))
        options.draw(plot, lambda: figure(answer))
    counts = answer.counts()
    lines = [
        f"{line.judged.verdict if line.judged is not None else 'out of scope':16} {line.entry.id}: {line.entry.claim}"
        for line in answer.lines
    ]
    total = ", ".join(f"{counts[verdict]} {verdict}" for verdict in (*VERDICTS, "out of scope"))
    options.say(as_json, answer.to_json(), "\n".join([*lines, total]))


@validate.command()
@click.argument("folder", metavar="DIR", type=options.FOLDER)
@click.option("--out", required=True, type=options.FOLDER_TO_WRITE, help="Folder to write: new, beside ledger.jsonl.")
@options.json_flag
def freeze(folder: Path, out: Path, as_json: bool) -> None:
    """Keep what every table and figure is made from of the finished run in DIR, and enter it in the ledger beside it.

    Example: clipbias validate freeze runs/organism --out docs/results/organism
    """
    from clipbias.validate.protocol.run import keep

    kept = keep(folder, out)
    value: dict[str, object] = {"frozen": str(out), "prediction_sha256": kept.manifest.prediction_sha256}
    options.say(as_json, value, f"wrote {out}")


@validate.command()
@click.argument("file", default="docs/results/ledger.jsonl", type=options.FILE)
@options.json_flag
def ledger(file: Path, as_json: bool) -> None:
    """Show every prediction that was ever hashed, and what became of it, after checking that FILE was never edited.

    Refused where a line was changed, dropped or put in, or where a frozen run beside FILE is not in it.

    Example: clipbias validate ledger docs/results/ledger.jsonl
    """
    from dataclasses import asdict

    from clipbias.validate.store.ledger import checked_ledger

    found = checked_ledger(file)
    value: dict[str, object] = {"head": found.head, "entries": [asdict(entry) for entry in found.entries]}
    rows = [
        (e.prediction_sha256[:12], e.written[:16].replace("T", " "), e.fate, e.recipe, e.model, e.where, e.note)
        for e in found.fates.values()
    ]
    widths = [max((len(row[i]) for row in rows), default=0) for i in range(6)]
    lines = [
        "  ".join([*(cell.ljust(width) for cell, width in zip(row[:6], widths, strict=True)), row[6]]).rstrip()
        for row in rows
    ]
    options.say(
        as_json, value, "\n".join([*lines, f"{len(rows)} predictions, whole; the last line's SHA-256 is {found.head}"])
    )
