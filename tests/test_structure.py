"""The rooms: read from the imports themselves. No cycle, no arrow upward, nothing printed by the library."""

import ast
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TOOLS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
STOREYS = (
    "common",
    "theory",
    "simulate",
    "validate",
    "check",
    "plan",
    "monitor",
    "audit",
    "forecast",
    "published",
    "figures",
    "explore",
    "cli",
)  # from the ground up, the face on top
ROOMS = (
    "tasks", "recipe", "organism", "model", "measure", "predict", "store", "train", "judge", "report", "protocol",
)  # fmt: skip
PROGRAMS = {"clipbias.validate.tasks.latex_verifier"}  # started by its name, answers on its stdout

pytestmark = pytest.mark.fast


def folder_of(package: str) -> Path:
    """As pyproject maps it."""
    parts = package.split(".")
    for length in range(len(parts), 0, -1):
        place = TOOLS["package-dir"].get(".".join(parts[:length]))
        if place is not None:
            return ROOT.joinpath(place, *parts[length:])
    raise AssertionError(package)


@cache
def modules() -> dict[str, Path]:
    """Every module by its name."""
    found: dict[str, Path] = {}
    for package in TOOLS["packages"]:
        for file in folder_of(package).glob("*.py"):
            found[package if file.stem == "__init__" else f"{package}.{file.stem}"] = file
    return found


@cache
def tree(module: str) -> ast.Module:
    return ast.parse(modules()[module].read_text())


def named(module: str) -> Iterator[str]:
    """What a module imports, at its top, in its functions or for type checkers; as "a.b.c" for c of a.b too."""
    package = module if modules()[module].name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package.split(".")[: len(package.split(".")) + 1 - node.level] if node.level else []
            source = ".".join([*base, *([node.module] if node.module else [])])
            yield source
            yield from (f"{source}.{alias.name}" for alias in node.names)


@cache
def arrows() -> dict[str, set[str]]:
    """From each module to the package's own modules that it imports."""
    return {module: {name for name in named(module) if name in modules()} - {module} for module in modules()}


def room(module: str) -> str | None:
    """The room of `validate` that a module is in."""
    parts = module.split(".")
    return parts[2] if parts[1:2] == ["validate"] and len(parts) > 2 else None


def storey(module: str) -> int:
    parts = module.split(".")
    return STOREYS.index(parts[1]) if len(parts) > 1 else len(STOREYS)


def test_there_are_arrows() -> None:
    assert "clipbias.theory.setup" in arrows()["clipbias.theory.law"]
    assert "clipbias.validate.store.layout" in arrows()["clipbias.validate.train.workers"]
    assert sum(map(len, arrows().values())) > 300


def test_no_cycle() -> None:
    left = {module: set(found) for module, found in arrows().items()}
    while left:
        free = {module for module, found in left.items() if not found}
        assert free, f"a cycle among {sorted(left)}"
        left = {module: found - free for module, found in left.items() if module not in free}


def test_none_upward() -> None:
    up = [(a, b) for a, found in arrows().items() for b in found if storey(b) > storey(a)]
    assert up == []


def test_rooms_in_the_order_in_which_data_travels() -> None:
    back = [
        (a, b)
        for a, found in arrows().items()
        for b in found
        if (here := room(a)) and (there := room(b)) and ROOMS.index(there) > ROOMS.index(here)
    ]
    assert back == []


def test_formulas_know_no_laws_and_engines_no_sweeps() -> None:
    for low, high in (("theory.formulas", "theory.laws"), ("simulate.compiled", "simulate.sweeps")):
        wrong = [
            (a, b)
            for a, found in arrows().items()
            for b in found
            if a.startswith(f"clipbias.{low}") and b.startswith(f"clipbias.{high}")
        ]
        assert wrong == []


def test_rooms_are_few_and_none_is_inside_another() -> None:
    found = {path.name for path in (ROOT / "validate").iterdir() if path.is_dir() and list(path.glob("*.py"))}
    assert found == set(ROOMS)
    assert len(found) <= 12


def test_every_module_is_in_one_package_that_is_shipped() -> None:
    files = [file for base in ("clipbias", "theory", "simulate", "validate") for file in (ROOT / base).rglob("*.py")]
    assert sorted(modules().values()) == sorted(files)
    assert len({folder_of(package) for package in TOOLS["packages"]}) == len(TOOLS["packages"])


def test_the_library_neither_prints_nor_exits_nor_knows_the_command_line() -> None:
    found = []
    for module in modules():
        if module.startswith("clipbias.cli") or module in PROGRAMS:
            continue
        found += [(module, name) for name in named(module) if name.split(".")[0] in ("click", "rich")]
        for node in ast.walk(tree(module)):
            match node:
                case ast.Call(func=ast.Name(id="print" | "exit" | "quit" | "SystemExit" as called)):
                    found.append((module, called))
                case ast.Attribute(value=ast.Name(id="sys"), attr="exit" | "stdout" | "stderr" as called):
                    found.append((module, called))
    assert found == []


def test_a_wheel_has_the_files_that_are_no_code() -> None:
    """By setuptools' own lists."""
    setuptools = pytest.importorskip("setuptools")
    distribution = setuptools.Distribution({"packages": TOOLS["packages"], "package_dir": TOOLS["package-dir"]})
    distribution.package_data = TOOLS["package-data"]
    distribution.src_root = str(ROOT)
    build = distribution.get_command_obj("build_py")
    build.ensure_finalized()
    build.manifest_files = {}  # nothing is included for being under version control
    shipped = {
        (package, file)
        for package in TOOLS["packages"]
        for file in (Path(found).name for found in build.find_data_files(package, str(folder_of(package))))
    }
    organism, report = "clipbias.validate.organism", "clipbias.validate.report"
    readers = "clipbias.check.frameworks"
    expected = {(readers, file.name) for file in folder_of(readers).glob("known/*")}
    expected |= {("clipbias.published", file.name) for file in folder_of("clipbias.published").glob("record/*")}
    expected |= {("clipbias.audit", file.name) for file in folder_of("clipbias.audit").glob("templates/*")}
    expected |= {(report, file.name) for file in folder_of(report).glob("templates/*")}
    for part in ("default", "specs"):
        expected |= {(organism, file.name) for file in folder_of(organism).glob(f"{part}/*")}
    assert len(expected) > 10
    assert expected | {("clipbias", "py.typed")} <= shipped
