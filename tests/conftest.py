"""One suite, the same every time: Hypothesis draws the same examples, and every test carries one marker."""

from collections.abc import Sequence

import pytest
from hypothesis import settings

settings.register_profile("clipbias", derandomize=True, deadline=None, database=None, max_examples=60)
settings.register_profile("thorough", derandomize=True, deadline=None, database=None, max_examples=20_000)
settings.load_profile("clipbias")

MARKERS = ("fast", "statistical", "training")


def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    """A test is fast unless its module or the test itself says what else it is; two kinds at once are a mistake."""
    for item in items:
        kinds = {marker.name for marker in item.iter_markers() if marker.name in MARKERS}
        if not kinds:
            item.add_marker(pytest.mark.fast)
        elif len(kinds) > 1:
            raise pytest.UsageError(f"{item.nodeid} is marked {' and '.join(sorted(kinds))}: one of them")
