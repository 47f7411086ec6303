"""The page of a recipe's fields against the recipes that are shipped, which are read without it."""

import re
import tomllib

from recipe_fields import page
from test_docs import ROOT, broken_sentences, unclosed_fences

RECIPES = [*ROOT.glob("recipes/*.toml"), *ROOT.glob("recipes/suite/*.toml"), *ROOT.glob("recipes/forecast/*.toml")]


def sections() -> dict[str, dict[str, str]]:
    """Field and default, by table."""
    found = {}
    for part in page().split("\n## ")[1:]:
        name = re.sub(r"[`\[\]]", "", part.partition("\n")[0])
        found[name] = dict(re.findall(r"^\| `(\w+)` \| .* \| (.*) \|$", part, re.MULTILINE))
    return found


def test_every_field_that_a_recipe_uses_stands_in_its_table() -> None:
    known, seen = sections(), set()
    for file in RECIPES:
        recipe = tomllib.loads(file.read_text(encoding="utf-8"))
        if "model" not in recipe:
            continue  # a plan, not a recipe
        for key, value in recipe.items():
            tables = value if isinstance(value, list) else [value]
            for table in tables:
                name, fields = (key, set(table)) if isinstance(table, dict) else ("Top of the file", {key})
                assert fields <= set(known[name]), (file.name, name)
                seen.add(name)
    assert {"Top of the file", "model", "training", "pilot", "probe", "arm"} <= seen


def test_defaults_are_those_of_the_reader() -> None:
    known = sections()
    assert known["training"]["adam_beta2"] == "`0.95`"
    assert known["training"]["group_size"] == ""  # must be given
    assert known["forecast"]["read_at"] == "`1`, `2`, `5`, `10`, `20`"
    assert known["arm"]["success_prob"] == "none"


def test_the_page_is_whole() -> None:
    assert broken_sentences(page()) == unclosed_fences(page()) == []
