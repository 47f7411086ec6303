"""The monitor on real trainings: the recorder's own numbers, TRL's own clip metrics, a trainer that is left alone."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from datasets import Dataset
from transformers import PrinterCallback, TrainerCallback, set_seed
from trl import GRPOConfig, GRPOTrainer

from clipbias import ClippingMonitor
from clipbias.common.errors import InputError
from clipbias.monitor.phases import Phases
from clipbias.validate.model.subject import Subject, load_subject
from clipbias.validate.predict.sums import Sums
from clipbias.validate.recipe.arm import Arm
from clipbias.validate.recipe.model_line import ModelLine
from clipbias.validate.recipe.recipe import ProbeLine
from clipbias.validate.recipe.training import Training
from clipbias.validate.train.options import make_optimizer
from clipbias.validate.train.record import Record
from clipbias.validate.train.trainer import RecordingTrainer, TrainingSet

pytestmark = pytest.mark.training


@pytest.fixture
def subject() -> Subject:
    return load_subject(ModelLine(organism="default"), ProbeLine(prompts=8))


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[Sums]:
    """The sums of every phase."""
    found: list[Sums] = []
    view = Phases.view

    def keep(self: Phases, step: int, sums: Sums, steps: Any) -> Any:
        found.append(sums)
        return view(self, step, sums, steps)

    monkeypatch.setattr(Phases, "view", keep)
    return found


class Tracker(TrainerCallback):
    """What a tracker of `report_to` gets: it is a callback as well."""

    def __init__(self) -> None:
        self.logs: list[dict[str, float]] = []

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        self.logs.append(dict(logs))


class Noting(GRPOTrainer):
    """Adds up TRL's own clip metrics, by optimizer steps since the rollout."""

    noted: list[tuple[int, int, float, float]]

    def _compute_loss(self, model: Any, inputs: Any) -> Any:
        loss = super()._compute_loss(model, inputs)
        tokens, own = int(inputs["completion_mask"].sum()), self._metrics["train"]
        shares = (own[f"clip_ratio/{side}_mean"][-1] for side in ("low", "high"))
        self.noted.append((self.state.global_step, tokens, *(tokens * share for share in shares)))
        return loss


def trainer_of(subject: Subject, folder: Path, kind: type[GRPOTrainer] = GRPOTrainer, **more: Any) -> GRPOTrainer:
    set_seed(3)
    problems = subject.problems["plain"][:16]
    coin = torch.Generator().manual_seed(3)

    def reward(completions: list[Any], **_: Any) -> list[float]:
        return torch.randint(2, (len(completions),), generator=coin).double().tolist()

    peft = {"peft_config": more.pop("peft_config")} if "peft_config" in more else {}
    config: dict[str, Any] = {
        "output_dir": str(folder),
        "per_device_train_batch_size": 4,
        "steps_per_generation": 4,
        "num_generations": 4,
        "max_steps": 8,
        "max_completion_length": 24,
        "learning_rate": 2e-3,
        "lr_scheduler_type": "constant",
        "epsilon": 0.1,
        "loss_type": "bnpo",
        "bf16": False,
        "gradient_checkpointing": False,
        "use_cpu": True,
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
    }
    trainer = kind(
        model=subject.model,
        reward_funcs=reward,
        args=GRPOConfig(**config | more),
        train_dataset=Dataset.from_list([{"prompt": subject.prompt(p)} for p in problems]),
        processing_class=subject.tokenizer,
        **peft,
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def test_sums_are_those_of_the_recorder_s_rows(subject: Subject, taken: list[Sums], tmp_path: Path) -> None:
    plan = Training(4, 4, 4, 1e-3, phases=2, max_completion_length=24)
    problems, record = subject.problems["plain"], Record()
    trainer = RecordingTrainer(
        subject,
        TrainingSet(problems, (None,) * len(problems)),
        plan,
        Arm("clip", 0.2, 0.2),
        1,
        range(2),
        make_optimizer(subject.model, plan),
        record,
        str(tmp_path),
    )
    monitor = ClippingMonitor(trainer)
    trainer.train()
    assert (len(taken), len(record.tokens)) == (2, 8)
    for i, block in enumerate(record.tokens):
        sums, m = taken[i // 4], i % 4
        tenth = np.minimum((10 * np.exp(block["old_log_prob"])).astype(int), 9)
        ratio, advantage = np.exp(block["log_ratio"]), block["advantage"]
        for name, values in {
            "tokens": np.ones(len(tenth)),
            "square": block["log_ratio"].astype(np.float64) ** 2,
            "low": block["clipped"] < 0,
            "high": block["clipped"] > 0,
            "push": np.where(block["clipped"] != 0, -advantage * ratio, 0.0),
        }.items():
            np.testing.assert_allclose(
                getattr(sums, name)[m], np.bincount(tenth, values, 10), rtol=1e-5, atol=1e-7, err_msg=name
            )
        assert sums.entropy[m].sum() == pytest.approx(record.entropy[i][1], rel=1e-5)
    assert monitor.view is not None
    assert monitor.view.step == 8
    assert sum((b["clipped"] != 0).sum() for b in record.tokens) > 5


VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "accumulation": {"gradient_accumulation_steps": 2, "steps_per_generation": 8},
    "accumulation across rollouts": {"gradient_accumulation_steps": 3},
    "epochs": {"num_iterations": 2},
    "checkpointing": {"gradient_checkpointing": True},
    "bf16": {"bf16": True},
    "delta": {"delta": 1.5},
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_clip_fractions_are_trl_s_own(subject: Subject, taken: list[Sums], tmp_path: Path, variant: str) -> None:
    trainer = trainer_of(subject, tmp_path, Noting, **VARIANTS[variant])
    assert isinstance(trainer, Noting)
    trainer.noted = []
    monitor, tracker = ClippingMonitor(trainer), Tracker()
    trainer.add_callback(tracker)
    trainer.train()
    setting, noted = monitor.setting, np.array(trainer.noted)
    phase = np.arange(len(noted)) // setting.rollout
    starts = np.array([noted[phase == p][0, 0] for p in range(phase.max() + 1)])[phase]
    assert len(taken) == len(noted) // setting.rollout
    assert monitor.view is not None
    seen = noted[:, 0] < monitor.view.step
    for m in range(setting.minibatches):
        here = (noted[:, 0] - starts == m) & seen
        for name, column in (("tokens", 1), ("low", 2), ("high", 3)):
            if (name, variant) != ("low", "delta"):  # TRL's metric leaves the dual clip out
                total = sum(getattr(sums, name)[m].sum() for sums in taken)
                assert total == pytest.approx(noted[here, column].sum(), rel=1e-5)
    assert noted[:, 3].sum() > 0
    assert sum("clipping/alerts" in log for log in tracker.logs) == len(taken)
    shown = next(log for log in tracker.logs if "clipping/alerts" in log)
    assert all(np.isfinite(value) for name, value in shown.items() if name.startswith("clipping/"))
    assert {"clipping/noise_floor", "clipping/push/9", "clipping/spread/02"} <= set(shown)
    assert ("clipping/high_again/measured" in shown) == (variant == "epochs")
    assert ("clipping/high/predicted" in shown) == (variant != "accumulation across rollouts")


def test_lora(subject: Subject, taken: list[Sums], tmp_path: Path) -> None:
    peft = pytest.importorskip("peft")
    adapter = peft.LoraConfig(r=4, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM")
    trainer = trainer_of(subject, tmp_path, Noting, peft_config=adapter, learning_rate=2e-2)
    assert isinstance(trainer, Noting)
    trainer.noted = []
    ClippingMonitor(trainer)
    trainer.train()
    assert sum(sums.high.sum() for sums in taken) == pytest.approx(np.array(trainer.noted)[:, 3].sum(), rel=1e-5)
    assert taken[0].square[1].sum() > 0


def test_training_is_left_as_it_is(subject: Subject, tmp_path: Path) -> None:
    watched = trainer_of(subject, tmp_path)
    ClippingMonitor(watched)
    watched.train()
    bare = trainer_of(load_subject(ModelLine(organism="default"), ProbeLine(prompts=8)), tmp_path)
    bare.train()
    assert all(a.equal(b) for a, b in zip(watched.model.parameters(), bare.model.parameters(), strict=True))
    ours = [{k: v for k, v in log.items() if k.startswith("clip_ratio")} for log in watched.state.log_history]
    assert ours == [{k: v for k, v in log.items() if k.startswith("clip_ratio")} for log in bare.state.log_history]


def test_vllm_s_correction_weighs_what_is_removed(subject: Subject, taken: list[Sums], tmp_path: Path) -> None:
    """An engine that disagrees by 0.3 in all log-probabilities, and a correction that leaves nothing: much is clipped
    from the first mini-batch on, none of it would have pushed, and TRL's own loss moves nothing."""

    class Corrected(Noting):
        def _generate_and_score_completions(self, inputs: Any) -> Any:
            outputs = super()._generate_and_score_completions(inputs)
            old = outputs["old_per_token_logps"]
            sign = 2.0 * (torch.arange(old.shape[1]) % 2) - 1.0
            none = torch.zeros(len(old), 1)
            return outputs | {"old_per_token_logps": old + 0.3 * sign, "importance_sampling_ratio": none}

        def _compute_loss(self, model: Any, inputs: Any) -> Any:
            self.use_vllm = True
            try:
                return super()._compute_loss(model, inputs)
            finally:
                self.use_vllm = False

    before = [p.detach().clone() for p in subject.model.parameters()]
    trainer = trainer_of(subject, tmp_path, Corrected)
    assert isinstance(trainer, Noting)
    trainer.noted = []
    monitor = ClippingMonitor(trainer)
    trainer.train()
    assert monitor.view is not None
    assert monitor.view.metrics()["clipping/noise_floor"] == pytest.approx(0.3, rel=1e-4)
    assert sum(sums.low.sum() + sums.high.sum() for sums in taken) > 100
    assert not any(sums.push.any() or sums.free.any() for sums in taken)
    assert all(a.equal(b) for a, b in zip(before, trainer.model.parameters(), strict=True))


def test_where_the_ratio_is_one_it_says_so_once(
    subject: Subject, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    trainer, tracker = trainer_of(subject, tmp_path, gradient_accumulation_steps=4, max_steps=2), Tracker()
    with caplog.at_level(logging.WARNING, "clipbias.monitor"):
        ClippingMonitor(trainer)
        trainer.add_callback(tracker)
        trainer.train()
    (said,) = [r.getMessage() for r in caplog.records if r.name == "clipbias.monitor"]
    assert said.startswith("the clip cannot act")
    assert "steps_per_generation=32" in said
    assert not any(name.startswith("clipping/") for log in tracker.logs for name in log)


def test_what_it_cannot_watch_is_refused(subject: Subject, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="loss_type must be one that has a gate in the ratio, got 'vespo'"):
        ClippingMonitor(trainer_of(subject, tmp_path, loss_type="vespo"))
    with pytest.raises(InputError, match="false_alarms"):
        ClippingMonitor(trainer_of(subject, tmp_path), false_alarms=0.0)
