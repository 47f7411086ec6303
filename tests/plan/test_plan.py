"""The plan of the paper's training: its steps, a configuration that TRL takes, memory and time by other arithmetic."""

import dataclasses
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clipbias.common.errors import InputError
from clipbias.plan.configuration import Layout, adapter_keys, trl_keys
from clipbias.plan.device import GPUS, Batch, Method, fitting_micro, memory_parts, times
from clipbias.plan.plan import SHAPES, Plan, plan
from clipbias.plan.power import POWERS, Start, question, questions
from clipbias.theory.formulas.power import paired_power
from clipbias.theory.laws.null_band import Band
from clipbias.validate.model.memory import updates_numbers
from clipbias.validate.recipe.recipe import Recipe, load_recipe

QWEN = Path(__file__).parents[2] / "recipes" / "qwen"
SHORT = QWEN / "qwen2.5-math-1.5b-short.toml"
RECIPES = sorted(file for file in QWEN.glob("*.toml") if file != SHORT)  # with the paper's steps
SEVEN = "Qwen/Qwen2.5-Math-7B"
START = Start(share=0.65, accuracy=0.494, contrast=0.329, problems=500, samples=1, spread=0.05)
BATCH = Batch(rollouts=1024, minibatch=128, prompt=1024, longest=3072, mean=1024)


@pytest.fixture(scope="module")
def seven() -> Recipe:
    return load_recipe(next(file for file in RECIPES if "7b" in file.name))


@pytest.fixture(scope="module")
def planned(seven: Recipe) -> Plan:
    return plan(seven, GPUS["a100-80"], 8, 1024.0, START, (0.05, 1.0))


@pytest.mark.parametrize("file", RECIPES, ids=lambda file: file.stem)
def test_every_arm_is_a_configuration_of_trl_with_the_papers_steps(file: Path) -> None:
    from trl.trainer.grpo_config import GRPOConfig

    recipe = load_recipe(file)
    fields = {field.name for field in dataclasses.fields(GRPOConfig)}
    steps = {}
    for arm in recipe.arm:
        keys = trl_keys(recipe, arm, Layout(gpus=8, micro=2))
        assert keys.keys() <= fields
        # a CPU is asked, which has neither bfloat16 autocast nor the other seven processes
        config = GRPOConfig(**(keys | {"bf16": False, "use_cpu": True, "output_dir": "unused"}))
        assert config.steps_per_generation == keys["steps_per_generation"]
        whole = 8 * config.per_device_train_batch_size * config.steps_per_generation
        assert whole == arm.training(recipe.training).rollouts
        steps[arm.name] = config.steps_per_generation / config.gradient_accumulation_steps
    assert steps["clip"] == steps["no-clip"] == 8
    assert steps["one-step"] == steps["small-rollout"] == 1


def test_check_agrees(planned: Plan) -> None:
    assert planned.checked.answer.clip_can_act is True
    assert planned.checked.training.geometry.steps_per_rollout == 8
    assert planned.checked.training.loss.lower_bound == pytest.approx(0.8)
    assert planned.checked.training.loss.upper == pytest.approx(1.2)
    assert planned.changes["no-clip"]["epsilon_high"] == 1e6
    one_step = planned.configuration | planned.changes["one-step"]
    assert one_step["steps_per_generation"] == one_step["gradient_accumulation_steps"]


def test_half_an_hour_on_one_gpu() -> None:
    """It fits, its phases leave a third of the time for what is not counted, and TRL takes its configuration."""
    from trl import ModelConfig
    from trl.trainer.grpo_config import GRPOConfig

    recipe = load_recipe(SHORT)
    found = plan(recipe, GPUS["a100-80"], 1, recipe.training.max_completion_length / 3, None, ())
    phases = found.runs * recipe.training.phases + recipe.pilot.seeds * recipe.pilot.phases
    assert phases * found.times.phase < 20 * 60
    assert found.checked.answer.clip_can_act is True
    adapter = adapter_keys(recipe.training)
    assert found.configuration == trl_keys(recipe, recipe.arm[0], found.layout) | adapter
    taken = {name: value for name, value in found.configuration.items() if name not in adapter}
    config = GRPOConfig(**(taken | {"bf16": False, "use_cpu": True, "output_dir": "unused"}))
    assert config.per_device_train_batch_size == recipe.training.micro_batch
    assert config.per_device_train_batch_size * config.gradient_accumulation_steps == recipe.training.minibatch_size
    assert config.generation_batch_size == recipe.training.rollouts
    given = ModelConfig(**adapter)
    assert (given.use_peft, given.lora_r, given.lora_target_modules) == (True, 16, "all-linear")


@pytest.mark.parametrize("name", SHAPES)
def test_shapes_are_those_of_the_models(name: str) -> None:
    """Counted by transformers on a model without memory, made from the published configuration."""
    import torch
    from transformers import AutoModelForCausalLM, Qwen2Config

    shape, heads = SHAPES[name], {"Qwen/Qwen2.5-Math-1.5B": (12, 2, True), SEVEN: (28, 4, False)}[name]
    config = Qwen2Config(
        vocab_size=shape.vocabulary,
        hidden_size=shape.width,
        intermediate_size=shape.inner,
        num_hidden_layers=shape.layers,
        num_attention_heads=heads[0],
        num_key_value_heads=heads[1],
        tie_word_embeddings=heads[2],
    )
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    assert sum(parameter.numel() for parameter in model.parameters()) == shape.parameters
    assert 2 * heads[1] * shape.width // heads[0] == shape.key_values
    from peft import LoraConfig, inject_adapter_in_model

    inject_adapter_in_model(LoraConfig(r=16, target_modules="all-linear"), model)
    assert sum(p.numel() for p in model.parameters() if p.requires_grad) == updates_numbers(shape, 16)


def test_memory_is_what_it_is_made_of() -> None:
    size = SHAPES[SEVEN]
    parts = {part.name: part.bytes for part in memory_parts(size, BATCH, 8, 2)}
    assert sum(parts[name] for name in ("weights", "gradients", "Adam's moments")) == 16 * size.parameters / 8
    assert parts["engine's weights"] == 2 * size.parameters
    twice = {part.name: part.bytes for part in memory_parts(size, BATCH, 8, 4)}
    assert twice["activations"] == 2 * parts["activations"]
    assert twice["weights"] == parts["weights"]


def test_low_rank_updates_and_kept_layers_are_counted() -> None:
    size = SHAPES["Qwen/Qwen2.5-Math-1.5B"]

    def parts(method: Method) -> dict[str, float]:
        return {part.name: part.bytes for part in memory_parts(size, BATCH, 1, 2, method)}

    full, updates = parts(Method()), parts(Method(lora_rank=16))
    trained = updates_numbers(size, 16)
    assert (updates["gradients"], updates["Adam's moments"]) == (4 * trained, 8 * trained)
    assert updates["weights"] == full["weights"] + 4 * trained
    assert full["copy in bfloat16"] == 2 * size.parameters
    assert updates["copy in bfloat16"] == 2 * (size.parameters // size.layers)
    assert "copy in bfloat16" not in parts(Method(half=False))
    assert updates["activations"] == full["activations"]
    kept = parts(Method(checkpointing=False))
    layer = 11 * size.width + 4 * size.inner
    assert kept["activations"] / full["activations"] == 28 * layer / (28 * size.width + layer)
    gpu = GPUS["a100-80"]
    seconds = [
        times(size, BATCH, gpu, 1, method).training
        for method in (Method(), Method(checkpointing=False), Method(lora_rank=16))
    ]
    assert seconds == pytest.approx([seconds[0], 0.8 * seconds[0], 0.8 * seconds[0]])


def test_what_does_not_fit_is_refused(seven: Recipe) -> None:
    micro = fitting_micro(SHAPES[SEVEN], BATCH, GPUS["a100-80"], 8)
    room = 80e9 * (1 - 0.3 - 0.08)
    assert sum(part.bytes for part in memory_parts(SHAPES[SEVEN], BATCH, 8, micro)) <= room
    assert sum(part.bytes for part in memory_parts(SHAPES[SEVEN], BATCH, 8, 2 * micro)) > room
    with pytest.raises(InputError, match=r"gpus must be enough to hold 1[0-9][0-9] GB on each"):
        plan(seven, GPUS["a100-80"], 1, 1024.0, None, ())
    with pytest.raises(InputError, match="gpus must be a divisor of a mini-batch's 128 answers, got 3"):
        plan(seven, GPUS["a100-80"], 3, 1024.0, None, ())


def test_a_recipe_s_micro_batch_is_planned_with_or_refused(seven: Recipe, planned: Plan) -> None:
    assert planned.layout.micro == seven.training.micro_batch
    larger = dataclasses.replace(seven, training=dataclasses.replace(seven.training, micro_batch=16))
    with pytest.raises(InputError, match=r"gpus must be enough to hold [0-9]+ GB"):
        plan(larger, GPUS["a100-80"], 8, 1024.0, None, ())
    with pytest.raises(InputError, match=r"training\.micro_batch must be a divisor of 8 answers"):
        plan(larger, GPUS["a100-80"], 16, 1024.0, None, ())


def test_time_is_near_what_the_paper_says(planned: Plan) -> None:
    """About a day on eight A100, evaluations included, which are not planned: from half of it to all of it."""
    assert 12 <= planned.hours <= 24
    faster = times(SHAPES[SEVEN], BATCH, GPUS["h100-80"], 8)
    assert faster.phase < planned.times.phase
    assert times(SHAPES[SEVEN], BATCH, GPUS["a100-80"], 16).training == pytest.approx(planned.times.training / 2)


def test_seeds_are_those_that_show_the_effect() -> None:
    band = Band(
        clip_drift=0.03,
        noise_drift=0.0,
        policy_std=0.1,
        evaluation_std=0.02,
        seed_std=0.11,
        one_seed=(-0.2, 0.2),
        mean_of_seeds=(-0.2, 0.2),
    )
    found = question("share", band)
    assert (found.effect, found.noise) == (0.03, pytest.approx(0.11 * 2**0.5))
    for power, seeds in zip(POWERS, found.seeds, strict=True):
        assert seeds is not None
        assert paired_power(0.03, found.noise, seeds - 1) < power <= paired_power(0.03, found.noise, seeds)
    assert question("share", dataclasses.replace(band, clip_drift=0.0)).seeds == (None, None)


def test_the_clip_does_more_where_policies_move_more(planned: Plan, seven: Recipe) -> None:
    """At a spread of 0.05 a share of 65 % never comes near a bound of 1.2 within a phase."""
    (_, little), (_, much) = planned.questions
    assert [asked.measure for asked in much] == ["share of code", "accuracy"]
    assert abs(little[0].effect) < 1e-3 < abs(much[0].effect)
    for asked in (*little, *much):
        assert asked.band[0] < asked.effect < asked.band[1]
    assert much[1].effect == pytest.approx(START.contrast * much[0].effect, rel=0.05)  # within [0, 1] (T11)
    truth = next(arm for arm in seven.arm if arm.name == "ground-truth")
    with pytest.raises(InputError, match="paid by a coin"):
        questions(seven, truth, START)


def test_the_command(clipbias: Callable[[str], subprocess.CompletedProcess[str]], answer: Any) -> None:
    recipe = next(file for file in RECIPES if "7b" in file.name)
    told = "--share 0.65 --accuracy 0.494 --contrast 0.329 --problems 500 --spread 0.05"
    shown = clipbias(f"validate plan {recipe} {told}")
    assert shown.returncode == 0
    said = ("Not run", "8 optimizer steps of 128", "Your clip can act", "steps_per_generation", "#SBATCH", "seeds for")
    for words in said:
        assert words in shown.stdout
    found = answer(f"validate plan {recipe} {told}")
    assert found["unrun"] is True
    assert json.loads(json.dumps(found))["check"]["optimizer_steps_per_rollout"] == 8
    wrong = clipbias(f"validate plan {recipe} --share 0.65")
    assert (wrong.returncode, wrong.stderr.count("\n")) == (2, 1)
    assert "must be given together" in wrong.stderr
