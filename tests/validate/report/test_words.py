"""What a page says of a recipe must follow the recipe."""

import pytest

from clipbias.validate.recipe.recipe import read_recipe
from clipbias.validate.report.words import arm_differences, shared_draws


@pytest.mark.parametrize(
    ("further", "differences"),
    [
        ("", "what is ignored"),
        ('reward = "ground-truth"', "what is ignored and what is paid"),
        ("success_prob = 0.25", "what is ignored and what is paid"),
        (
            'optimizer = "sgd:momentum=0.5"\nlearning_rate = 0.05',
            "what is ignored, the optimizer and the learning rate",
        ),
        ("learning_rate = 3e-4", "what is ignored"),  # what the training says anyhow
        ("minibatches = 1", "what is ignored and the number of mini-batches"),
    ],
)
def test_the_arms_differ_in_what_the_recipe_says(recipe_text: str, further: str, differences: str) -> None:
    arm = f'\n[[arm]]\nname = "more"\nclip_low = 0.2\nclip_high = 0.2\n{further}\n'
    assert arm_differences(read_recipe(recipe_text + arm)) == differences


def test_one_arm_differs_from_none(recipe_text: str) -> None:
    alone = recipe_text.split("[[arm]]")[0] + '[[arm]]\nname = "clip"\nclip_low = 0.2\nclip_high = 0.2\n'
    assert arm_differences(read_recipe(alone)) == ""


BOTH = "all arms see the same problems and the same coin tosses."


@pytest.mark.parametrize(
    ("further", "shared"),
    [
        ("", BOTH),
        ("minibatches = 1", BOTH),  # a phase's answers are drawn and paid before they are dealt to mini-batches
        ("prompts_per_phase = 6", "clip and no-clip see the same problems and the same coin tosses."),
        ('problems = "one"', "clip and no-clip see the same problems; all arms see the same coin tosses."),
        ("success_prob = 0.25", "all arms see the same problems; clip and no-clip see the same coin tosses."),
        ('reward = "format"', "all arms see the same problems; clip and no-clip see the same coin tosses."),
    ],
)
def test_the_arms_share_what_the_recipe_has_them_draw_alike(recipe_text: str, further: str, shared: str) -> None:
    arm = f'\n[[arm]]\nname = "more"\nclip_low = 0.2\nclip_high = 0.2\n{further}\n'
    survey = "\n[survey]\nsamples = 4\n" if "reward" in further or "problems" in further else ""
    assert shared_draws(read_recipe(recipe_text + survey + arm)) == f"Seed by seed, {shared}"


def test_one_arm_shares_with_none(recipe_text: str) -> None:
    alone = recipe_text.split("[[arm]]")[0] + '[[arm]]\nname = "clip"\nclip_low = 0.2\nclip_high = 0.2\n'
    assert shared_draws(read_recipe(alone)) == ""
