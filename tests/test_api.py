"""`import clipbias`: what it offers, that each name is documented, and what is loaded for it."""

import ast
import doctest
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import clipbias

GROUPS = (clipbias.PROBLEM, clipbias.SOLVE, clipbias.FORMULAS, clipbias.SWEEPS, clipbias.VALIDATE, clipbias.MONITOR)
WITHOUT_TORCH = [name for group in GROUPS[:4] for names in group.values() for name in names]
BLOCKED = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "torch":
            raise ImportError("torch is blocked")
sys.meta_path.insert(0, Blocked())
"""


def says(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("name", [name for name in clipbias.__all__ if name != "__version__"])
def test_every_name_is_there_and_documented(name: str) -> None:
    found = getattr(clipbias, name)
    assert found.__doc__
    assert name in dir(clipbias)
    if inspect.isclass(found) or inspect.isfunction(found):
        assert not found.__doc__.startswith(f"{name}("), "a dataclass's generated text"


def test_type_checkers_see_the_same_names() -> None:
    tree = ast.parse(Path(inspect.getfile(clipbias)).read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    seen = {
        alias.asname: node.module
        for node in ast.walk(block)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    named = {name: f"clipbias.{module}" for group in GROUPS for module, names in group.items() for name in names}
    assert seen == named


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'clipbias' has no attribute 'nothing'"):
        clipbias.nothing  # noqa: B018


def test_import_alone_loads_nothing() -> None:
    loaded = set(says("import sys, clipbias; print(*sys.modules)").split())
    assert not loaded & {"numpy", "scipy", "numba", "torch", "importlib.metadata"}


def test_all_but_the_experiments_do_without_torch() -> None:
    """Theory without numba and scipy.stats as well."""
    code = f"{BLOCKED}\nimport clipbias\nfor name in {WITHOUT_TORCH}: getattr(clipbias, name)\nprint(*sys.modules)"
    assert "torch" not in says(code).split()
    theory = [
        name for name, value in vars(clipbias).items() if getattr(value, "__module__", "").startswith("clipbias.theory")
    ]
    code = f"import sys, clipbias\nfor name in {theory}: getattr(clipbias, name)\nprint(*sys.modules)"
    loaded = set(says(code).split())
    assert not loaded & {"numba", "torch", "scipy.stats"}


def test_the_example_is_true() -> None:
    assert doctest.testmod(clipbias).failed == 0
