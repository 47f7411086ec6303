"""A recipe is read from TOML, and complaints name the field and what it allows."""

from dataclasses import replace
from pathlib import Path

import pytest

from clipbias.common.errors import InputError
from clipbias.theory.surrogate import UNCLIPPED, PpoClip, Sapo
from clipbias.theory.update_rule import Adam, Sgd
from clipbias.validate.recipe.pilots import PILOT_ARM, pilot_arms
from clipbias.validate.recipe.recipe import load_recipe, read_recipe
from clipbias.validate.recipe.recipe import recipe_text as written
from clipbias.validate.store.layout import pilot_cells

ROOT = Path(__file__).parents[3]
SHIPPED = sorted(file for file in (ROOT / "recipes").glob("*.toml") if file.stem != "suite")
CLIPS = sorted((ROOT / "recipes" / "forecast").glob("clip-*.toml"))
FROZEN = sorted((ROOT / "docs" / "results").glob("*/recipe.toml"))
BY_THE_SUITE = [file for file in FROZEN if not file.read_text(encoding="utf-8").startswith("#")]  # no hand's remark


def test_reads_none_as_an_open_side(recipe_text: str) -> None:
    recipe = read_recipe(recipe_text)
    assert recipe.arm[1].clip_low is None
    assert recipe.arm[0].gate == PpoClip(0.2, 0.2)


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
        ('organism = "default"', 'organism = "default"\npath = "x"', "model must be either organism, path or hub"),
        ("[training]", "[training", "the recipe must be valid TOML"),
        ("learning_rate = 3e-4", "learning_rate = inf", "training.learning_rate must be finite"),
        (
            "phases = 3",
            "micro_batch = 3\nphases = 3",
            "training.micro_batch must be a divisor of a mini-batch's 4 answers",
        ),
        ("phases = 3", "lora_rank = 0\nphases = 3", r"training.lora_rank must be in \[1, 1024\]"),
        ("[pilot]", "lora_rank = 4\n[forecast]\n[pilot]", "training.lora_rank must be left out where there is"),
        ("phases = 3", "bf16 = 1\nphases = 3", "training.bf16 must be true or false"),
        ("learning_rate = 3e-4", 'learning_rate = "fast"', "training.learning_rate must be a number"),
        ("clip_high = 0.2", "clip_high = inf", r"arm\[0\].clip_high must be finite"),
        ("clip_low = 0.2", "clip_low = nan", r"arm\[0\].clip_low must be finite"),
    ],
)
def test_complaints_name_the_field_and_what_it_allows(recipe_text: str, old: str, new: str, words: str) -> None:
    assert old in recipe_text
    with pytest.raises(ValueError, match=words):
        read_recipe(recipe_text.replace(old, new, 1))


SIDES = "clip_low = 0.2\nclip_high = 0.2"


def test_an_arm_names_its_surrogate_instead_of_two_sides(recipe_text: str) -> None:
    text = recipe_text.replace(SIDES, 'surrogate = "sapo:plus=1.0,minus=1.05"')
    recipe = read_recipe(text)
    assert recipe.arm[0].gate == Sapo(1.0, 1.05)
    assert recipe.arm[0].clipped
    assert not recipe.arm[1].clipped
    assert recipe.arm[0].unclipped.gate == UNCLIPPED
    assert read_recipe(written(recipe)) == recipe
    spelled = text.replace("surrogate", 'clip_low = "none"\nclip_high = "none"\nsurrogate')
    assert read_recipe(spelled) == recipe


def test_an_optimizer_is_the_training_s_or_an_arm_s(recipe_text: str) -> None:
    plain = read_recipe(recipe_text)
    assert plain.training.update == Adam(beta1=0.9, beta2=0.95)
    text = recipe_text.replace("[pilot]", 'optimizer = "sgd:momentum=0.5"\n\n[pilot]')
    recipe = read_recipe(text.replace(SIDES, SIDES + '\noptimizer = "sgd"'))
    assert recipe.training.update == Sgd(0.5)
    assert recipe.arm[0].training(recipe.training).update == Sgd()
    assert recipe.arm[1].training(recipe.training).momentum == 0.5
    assert read_recipe(written(recipe)) == recipe


def test_every_kind_of_optimizer_has_one_pilot(recipe_text: str) -> None:
    """Under the optimizer and the learning rate of the first arm of that kind, in all else the training's own."""
    plain = read_recipe(recipe_text)
    assert pilot_arms(plain) == {"adam": PILOT_ARM}
    assert PILOT_ARM.training(plain.training) == plain.training
    lines = [
        f'\n[[arm]]\nname = "{name}"\nsurrogate = "ppo:low=0.2,high=0.2"\nminibatches = 1\n{line}\n'
        for name, line in (
            ("first", 'optimizer = "sgd:momentum=0.9"\nlearning_rate = 0.05'),
            ("second", 'optimizer = "sgd"\nlearning_rate = 0.1'),
            ("third", 'optimizer = "adam:beta1=0.5,beta2=0.9"'),
        )
    ]
    recipe = read_recipe(recipe_text + "".join(lines))
    found = pilot_arms(recipe)
    assert list(found) == ["adam", "sgd"]
    assert found["adam"] == PILOT_ARM
    training = found["sgd"].training(recipe.training)
    assert training == replace(recipe.training, optimizer="sgd:momentum=0.9", learning_rate=0.05)
    assert found["sgd"].gate == UNCLIPPED
    own, further = found["adam"].name, found["sgd"].name
    cells = [(cell.arm.name, cell.seed) for cell in pilot_cells(Path(), recipe)]
    first = [(own, cell.seed) for cell in pilot_cells(Path(), plain)]
    assert cells == [*first, *((further, seed) for _, seed in first)]


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.stem)
def test_recipes_that_need_none_of_it_are_written_as_ever(file: Path) -> None:
    """Their text is what predictions are of: no key more."""
    text = written(load_recipe(file))
    assert not any(word in text for word in ("surrogate", "optimizer", "[toy]"))
    assert read_recipe(text) == load_recipe(file)


@pytest.mark.parametrize("file", CLIPS, ids=lambda file: file.stem)
def test_a_clip_that_is_forecast_is_compared_with_none(file: Path) -> None:
    """The arms differ in the clip alone, and the last has none."""
    recipe = load_recipe(file)
    assert recipe.name == file.stem
    *clipped, plain = recipe.arm
    assert all(arm.clipped and replace(arm.unclipped, name=plain.name) == plain for arm in clipped)
    assert recipe.forecast is not None
    assert read_recipe(written(recipe)) == recipe


@pytest.mark.parametrize("file", FROZEN, ids=lambda file: file.parent.name)
def test_frozen_recipes_are_read_back_as_the_same(file: Path) -> None:
    assert read_recipe(written(load_recipe(file))) == load_recipe(file)


@pytest.mark.parametrize("file", BY_THE_SUITE, ids=lambda file: file.parent.name)
def test_frozen_recipes_are_written_to_the_byte(file: Path) -> None:
    assert written(load_recipe(file)) == file.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (SIDES, 'surrogate = "dppo:low=0.2,high=0.2"', "surrogate of arm clip must be one of ppo, cispo, sapo, gspo"),
        (SIDES, 'surrogate = "ppo:low=0.2,high=none,dual=3"', "must be one with a bound high beside dual"),
        (SIDES, 'surrogate = "cispo:cap=0.2"', "surrogate of arm clip must be .*cap must be above 1"),
        (SIDES, SIDES + '\nsurrogate = "sapo"', "clip_low of arm clip must be left out where there is a surrogate"),
        (SIDES, "", r"arm\[0\].clip_low must be given"),
        (SIDES, SIDES + '\noptimizer = "lion"', "optimizer of arm clip must be one of sgd, adam with its numbers"),
        ("[pilot]", 'optimizer = "adam:beta1=2"\n[pilot]', "training.optimizer must be .*beta1 must be"),
        ("[pilot]", 'adam_beta1 = 0.5\noptimizer = "sgd"\n[pilot]', "training.adam_beta1 must be left out where"),
        (
            "[probe]",
            '[toy]\nmethod = "magic"\n[probe]',
            "toy.method must be one of exact, gaussian, monte-carlo, got 'magic'",
        ),
        ("[probe]", "[toy]\nreplicates = 100\n[probe]", "toy.replicates must be left out unless toy.method is monte"),
        ("[probe]", "[toy]\nreplicates = 5\n[probe]", r"toy.replicates must be in \[100, 100000\]"),
    ],
)
def test_complaints_about_surrogates_and_optimizers(recipe_text: str, old: str, new: str, words: str) -> None:
    assert old in recipe_text
    with pytest.raises(InputError, match=words):
        read_recipe(recipe_text.replace(old, new, 1))
