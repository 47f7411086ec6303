"""What a page says of a recipe must follow the recipe."""

import pytest

from clipbias.validate.recipe.recipe import read_recipe
from clipbias.validate.report.words import arm_differences


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
