"""docs/frameworks.md is written from the readers' own data."""

from pathlib import Path

from clipbias.check.catalogue import FRAMEWORKS
from clipbias.check.words import rules_table

PAGE = Path(__file__).parents[2] / "docs" / "frameworks.md"


def test_the_page_has_the_table_that_the_command_prints() -> None:
    """To mend: `clipbias check --rules` prints what belongs below the page's introduction."""
    assert PAGE.read_text(encoding="utf-8").endswith("\n" + rules_table(FRAMEWORKS) + "\n")
