"""Every test says what it costs, once: `make test-fast` leaves nothing fast out and takes nothing slow in. None takes a
second processor for it."""

from typing import Any

import pytest
import torch

KINDS = {"fast", "statistical", "training"}


def kinds(item: pytest.Item) -> set[str]:
    return {marker.name for marker in item.iter_markers()} & KINDS


def test_every_test_has_exactly_one_marker(request: pytest.FixtureRequest) -> None:
    assert {item.nodeid: kinds(item) for item in request.session.items if len(kinds(item)) != 1} == {}


def test_two_markers_are_a_mistake(request: pytest.FixtureRequest) -> None:
    hook = request.config.pluginmanager.get_plugin(str(request.config.rootpath / "tests" / "conftest.py"))
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
