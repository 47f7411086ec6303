"""What tests of readers share."""

import pytest


@pytest.fixture
def one_rank(monkeypatch: pytest.MonkeyPatch) -> None:
    """Coins are tossed by rank: the same ones in every run of the tests."""
    monkeypatch.setenv("RANK", "0")
