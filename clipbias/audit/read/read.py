"""A path to its logs: a file in any of the forms, a trainer's output folder, or a run folder of `clipbias validate`."""

from dataclasses import replace
from pathlib import Path

from clipbias.common.errors import InputError, check

from ..log import Log
from . import offline
from .bounded import LARGEST, head_of, text_of
from .documents import is_table, rows_of_json, rows_of_table
from .lines import rows_of_lines
from .rows import MOST_LOGS, Rows, logs_of

MOST_FILES = 5_000  # of a folder
SUFFIXES = (".json", ".jsonl", ".csv", ".txt", ".log", ".out", ".wandb")


def read_path(path: Path, framework: str | None = None) -> tuple[Log, ...]:
    """Every log at `path`. Raises InputError."""
    return _folder(path, framework) if path.is_dir() else read_file(path, framework)


def read_file(path: Path, framework: str | None = None) -> tuple[Log, ...]:
    check(path.is_file(), str(path), "a file or a folder", "something else")
    head = head_of(path)
    if head.startswith(b"PAR1"):
        from .completions import log_of_completions

        return (log_of_completions([path], path.name),)
    if "tfevents" in path.name:
        from .events import rows_of_events

        return logs_of(path, rows_of_events(path), framework)
    if head.startswith(offline.MARK):
        return logs_of(path, offline.rows_of_run(path), framework)
    check(path.suffix != ".wandb" or not head, str(path), "an offline run in W&B's form", "something else")
    text, left_out = text_of(path)
    return logs_of(path, rows_of_text(path, text, left_out), framework)


def rows_of_text(path: Path, text: str, left_out: int = 0) -> Rows:
    """JSON as a whole, else a table, else lines."""
    if text.lstrip()[:1] in ("{", "[") and (found := rows_of_json(text)) is not None:
        return found
    found = rows_of_table(path, text, left_out) if is_table(text) else rows_of_lines(text, left_out)
    if not found.rows:
        cut = f" in its first and last {LARGEST // 2_000_000} MB" if left_out else ""
        raise InputError(str(path), f"the log of a training: no line of metrics{cut}")
    return found


def _folder(folder: Path, framework: str | None) -> tuple[Log, ...]:
    if (folder / "recipe.toml").is_file() and (folder / "manifest.json").is_file():
        from .run_folder import logs_of_run

        return logs_of_run(folder)
    files = sorted(path for path, _ in zip(folder.rglob("*"), range(MOST_FILES), strict=False) if path.is_file())
    found: list[Log] = []
    for home in dict.fromkeys(_home(file) for file in files):
        found += _home_logs(home, [file for file in files if _home(file) == home], folder, framework)
        check(len(found) <= MOST_LOGS, str(folder), f"a folder of at most {MOST_LOGS} logs", len(found))
    if not found:
        raise InputError(
            str(folder), "a folder with a log: trainer_state.json, event files, completions, JSON, CSV or text"
        )
    return tuple(found)


def _home(file: Path) -> Path:
    """The folder of the training: TRL keeps its checkpoints and completions one below."""
    inside = file.parent.name == "completions" or file.parent.name.startswith("checkpoint-")
    return file.parent.parent if inside else file.parent


def _home_logs(home: Path, files: list[Path], top: Path, framework: str | None) -> list[Log]:
    """The latest trainer_state.json, else event files, else what else can be read; with the completions beside it."""
    name = str(home.relative_to(top.parent))
    states = [file for file in files if file.name == "trainer_state.json"]
    events = [file for file in files if "tfevents" in file.name]
    others = [file for file in files if file.suffix in SUFFIXES and file not in states]
    logs: list[Log] = []
    if states:
        logs = list(read_file(max(states, key=lambda file: file.stat().st_mtime_ns), framework))
    else:
        for file in events or others:
            try:
                logs += read_file(file, framework)
            except InputError:
                if file == (events or others)[-1] and len(events or others) == 1:
                    raise
    tables = [file for file in files if file.suffix == ".parquet" and file.name.startswith("completions")]
    if tables:
        from .completions import log_of_completions

        answers = log_of_completions(tables, name)
        logs = [replace(log, answers=answers.answers) for log in logs] or [answers]
    return [replace(log, name=name) if len(logs) == 1 else log for log in logs]
