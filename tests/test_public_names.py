"""The site's page of Python names says all of them, and nothing else."""

import re

import clipbias
from public_names import page


def test_every_public_name_is_on_it_once() -> None:
    named = re.findall(r"^::: clipbias\.\S+\.(\w+)$", page(), re.MULTILINE)
    assert sorted([*named, "__version__"]) == sorted(clipbias.__all__)
