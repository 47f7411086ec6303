"""Every test says what it costs, once: `make test-fast` leaves nothing fast out and takes nothing slow in. None takes a
second processor for it."""

from pathlib import Path
from typing import Any

import pytest
import torch

KINDS = {"fast", "statistical", "training"}


def kinds(item: pytest.Item) -> set[str]:
    return {marker.name for marker in item.iter_markers()} & KINDS


def test_every_test_has_exactly_one_marker(request: pytest.FixtureRequest) -> None:
    assert {item.nodeid: kinds(item) for item in request.session.items if len(kinds(item)) != 1} == {}


@pytest.fixture
def hook(request: pytest.FixtureRequest) -> Any:
    """tests/conftest.py."""
    return request.config.pluginmanager.get_plugin(str(request.config.rootpath / "tests" / "conftest.py"))


def test_no_fast_test_stands_in_a_file_that_is_left_out(request: pytest.FixtureRequest, hook: Any) -> None:
    fast = {item.path for item in request.session.items if kinds(item) == {"fast"}}
    assert not any(map(hook.has_nothing_fast, fast))
    assert hook.has_nothing_fast(Path(__file__).parent / "monitor" / "test_processes.py")


def test_two_markers_are_a_mistake(request: pytest.FixtureRequest, hook: Any) -> None:
    item: Any = request.node
    item.add_marker(pytest.mark.training)
    try:
        with pytest.raises(pytest.UsageError, match="fast and training"):
            hook.pytest_collection_modifyitems([item])
    finally:
        item.own_markers.pop()


def test_tests_have_one_thread() -> None:
    """What conftest asks for came before numpy and torch."""
    assert torch.get_num_threads() == 1
