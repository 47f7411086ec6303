"""A recipe is read from TOML, and complaints name the field and what it allows."""

import pytest

from clipbias.validate.recipe.recipe import read_recipe


def test_reads_none_as_an_open_side(recipe_text: str) -> None:
    recipe = read_recipe(recipe_text)
    assert recipe.arm[1].clip_low is None
    assert recipe.arm[0].clip.upper_bound == 1.2


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("seeds = 2\ncheck", 'seeds = "two"\ncheck', "seeds must be a whole number"),
        ("seeds = 2\ncheck", "seeds = 1\ncheck", r"seeds must be in \[2, 100000\]"),
        ("clip_high = 0.2", "clip_high = -0.2", "clip_high of arm clip must be positive or none"),
        ("minibatches = 2", "minibatches = 3", "training.minibatches must be a number that splits 2 groups"),
        (
            "group_size = 4",
            "group_sise = 4",
            "training.group_sise must be one of the known keys prompts_per_phase, group_size",
        ),
        ("group_size = 4", "", "training.group_size must be given"),
        ("burn_in = 1", "burn_in = 3", r"pilot.burn_in must be in \[0, 3\)"),
        ('name = "no-clip"', 'name = "clip"', "arm must be tables with distinct names"),
        ('name = "no-clip"', 'name = "../x"', "arm.name must be made of a-z"),
        ('organism = "default"', 'organism = "default"\npath = "x"', "model must be either organism or path"),
        ("[training]", "[training", "the recipe must be valid TOML"),
        ("learning_rate = 3e-4", "learning_rate = inf", "training.learning_rate must be finite"),
        ("learning_rate = 3e-4", 'learning_rate = "fast"', "training.learning_rate must be a number"),
        ("clip_high = 0.2", "clip_high = inf", r"arm\[0\].clip_high must be finite"),
        ("clip_low = 0.2", "clip_low = nan", r"arm\[0\].clip_low must be finite"),
    ],
)
def test_complaints_name_the_field_and_what_it_allows(recipe_text: str, old: str, new: str, words: str) -> None:
    assert old in recipe_text
    with pytest.raises(ValueError, match=words):
        read_recipe(recipe_text.replace(old, new, 1))
