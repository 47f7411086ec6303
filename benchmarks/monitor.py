"""The live monitor on real trainings: does it predict the clip, is it silent, does it speak, what does it cost?

agreement: the organism under random rewards at 4 bounds × 3 learning rates; clip fractions predicted and measured.
healthy: trainings that are as they should be, of other kinds. planted: trainings that go wrong at two thirds.
overhead: processor time of optimizer steps with the monitor over that of steps without it, phase by phase in turn in
one run; and the monitor's own time over the rest. figure: what `agreement` and `planted` wrote, drawn.

Example: python benchmarks/monitor.py agreement --phases 30 --out runs/monitor
"""

import argparse
import contextlib
import json
import logging
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import torch
from datasets import Dataset
from transformers import PrinterCallback, TrainerCallback, set_seed
from trl import GRPOConfig, GRPOTrainer

from clipbias import ClippingMonitor
from clipbias.common.style import GREY, HIGH, LOW, MEASURED
from clipbias.validate.model.subject import Subject, load_subject
from clipbias.validate.recipe.model_line import ModelLine
from clipbias.validate.recipe.recipe import ProbeLine
from clipbias.validate.tasks.problems import read_answer

M, WARM = 8, 2  # mini-batches; phases before the clock counts
BOUNDS = ((0.1, 0.1), (0.2, 0.2), (0.2, 0.28), (0.1, 0.3))
RATES = (1e-4, 2e-4, 4e-4)
SIDES = ("low", "high")
Reward = Callable[..., list[float]]


class Views(TrainerCallback):
    """Keeps what the monitor showed of each phase."""

    def __init__(self, monitor: ClippingMonitor) -> None:
        self.monitor = monitor
        self.rows: list[dict[str, Any]] = []

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        view = self.monitor.view
        if view is not None and (not self.rows or self.rows[-1]["step"] != view.step):
            self.rows.append({"step": view.step, "said": [str(a) for a in view.alerts]} | view.metrics())


class Raise(TrainerCallback):
    """Multiplies the learning rate by 10 from one step on."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.global_step == self.step:
            scheduler = kwargs["lr_scheduler"]
            scheduler.base_lrs = [10 * rate for rate in scheduler.base_lrs]
            for group in kwargs["optimizer"].param_groups:
                group["lr"] *= 10


def coin(seed: int) -> Reward:
    generator = torch.Generator().manual_seed(seed)
    return lambda completions, **_: torch.randint(2, (len(completions),), generator=generator).double().tolist()


def truth(completions: list[str], answer: list[str], **_: Any) -> list[float]:
    return [float(read_answer(text) == right) for text, right in zip(completions, answer, strict=True)]


def organism() -> Subject:
    return load_subject(ModelLine(organism="default"), ProbeLine(prompts=8))


def trainer_of(subject: Subject, phases: int, reward: Reward, seed: int, **more: Any) -> GRPOTrainer:
    """Groups of 8, 64 answers a phase, 8 mini-batches of 8."""
    set_seed(seed)
    config: dict[str, Any] = {
        "output_dir": tempfile.mkdtemp(),
        "per_device_train_batch_size": 8,
        "steps_per_generation": M,
        "num_generations": 8,
        "max_steps": M * phases,
        "max_completion_length": 48,
        "learning_rate": 2e-4,
        "lr_scheduler_type": "constant",
        "adam_beta2": 0.95,
        "epsilon": 0.2,
        "seed": seed,
        "loss_type": "bnpo",
        "bf16": False,
        "gradient_checkpointing": False,
        "use_cpu": True,
        "logging_steps": M,
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
    }
    trainer = GRPOTrainer(
        model=subject.model,
        reward_funcs=reward,
        args=GRPOConfig(**config | more),
        train_dataset=Dataset.from_list(
            [{"prompt": subject.prompt(p), "answer": p.answer} for p in subject.problems["plain"]]
        ),
        processing_class=subject.tokenizer,
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def watched(trainer: GRPOTrainer, *others: TrainerCallback) -> list[dict[str, Any]]:
    """What the monitor shows of every phase."""
    views = Views(ClippingMonitor(trainer))
    for callback in (views, *others):
        trainer.add_callback(callback)
    trainer.train()
    return views.rows


def series(rows: list[dict[str, Any]], name: str) -> np.ndarray:
    return np.array([row.get(f"clipping/{name}", np.nan) for row in rows])


def said(rows: list[dict[str, Any]]) -> list[str]:
    return [text for row in rows for text in row["said"]]


def agreement(phases: int, out: Path) -> None:
    runs = []
    print("| bounds | learning rate | side | measured | predicted | ratio |\n|---|---|---|---|---|---|")
    logs: list[float] = []
    for seed, (low, high) in enumerate(BOUNDS):
        for rate in RATES:
            more = {"epsilon": low, "epsilon_high": high, "learning_rate": rate}
            rows = watched(trainer_of(organism(), phases, coin(seed), seed, **more))
            runs.append({"low": low, "high": high, "rate": rate, "rows": rows})
            for side in SIDES:
                measured, predicted = (series(rows, f"{side}/{kind}") for kind in ("measured", "predicted"))
                error = measured.std(ddof=1) / np.sqrt(len(measured))
                ratio = measured.mean() / predicted.mean()
                logs.append(float(np.log(ratio)))
                print(
                    f"| {low} / {high} | {rate:g} | {side} | {measured.mean():.2%} ± {error:.2%} |"
                    f" {predicted.mean():.2%} | {ratio:.2f} |",
                    flush=True,
                )
    (out / "agreement.json").write_text(json.dumps(runs))
    for side, part in zip(SIDES, (logs[::2], logs[1::2]), strict=True):
        spread = statistics.stdev(part)
        print(f"{side}: measured/predicted {np.exp(np.mean(part)):.2f}, spread over runs a factor {np.exp(spread):.2f}")
    alarmed = sum(bool(said(run["rows"])) for run in runs)
    print(f"{alarmed} of {len(runs)} runs were alarmed")


def healthy(phases: int, out: Path) -> None:
    kinds: dict[str, tuple[Reward, dict[str, Any]]] = {
        "correct answers are paid": (truth, {"learning_rate": 1e-4}),
        "warm-up and decay": (coin(1), {"lr_scheduler_type": "cosine", "warmup_steps": 3 * M}),
        "two epochs": (coin(2), {"num_iterations": 2, "learning_rate": 1e-4, "max_steps": 2 * M * phases}),
    }
    kinds |= {f"random rewards, {i}": (coin(40 + i), {"learning_rate": RATES[i % 2]}) for i in range(7)}
    runs = {}
    for seed, (name, (reward, more)) in enumerate(kinds.items()):
        runs[name] = watched(trainer_of(organism(), phases, reward, 10 + seed, **more))
        print(f"{name}: {len(runs[name])} phases, {said(runs[name]) or 'silent'}", flush=True)
    (out / "healthy.json").write_text(json.dumps(runs))


def planted(phases: int, out: Path) -> None:
    runs = {}
    at = M * (phases * 2 // 3)
    for seed in range(3):
        rows = watched(trainer_of(organism(), phases, coin(seed), 20 + seed), Raise(at))
        runs[f"learning rate times 10, seed {seed}"] = rows
    for seed in range(1):
        trainer = trainer_of(organism(), phases, coin(seed), 30 + seed)
        random = trainer.reward_funcs[0]

        def turned(completions: list[str], of: GRPOTrainer = trainer, random: Any = random, **_: Any) -> list[float]:
            late = of.state.global_step >= at
            return [-float(len(text)) for text in completions] if late else random(completions)

        trainer.reward_funcs[0] = turned
        runs[f"brevity is paid, seed {seed}"] = watched(trainer)
    for name, rows in runs.items():
        print(f"{name}: planted after step {at}\n  " + "\n  ".join(said(rows) or ["silent"]), flush=True)
    (out / "planted.json").write_text(json.dumps(runs))


class Clock(TrainerCallback):
    """Processor time of each phase's optimizer steps but the first, which generates; by whether it was watched. The
    training has one thread, whose time this is."""

    def __init__(self, trainer: GRPOTrainer, monitor: ClippingMonitor) -> None:
        self.trainer, self.monitor = trainer, monitor
        self.methods = {n: vars(trainer)[n] for n in ("_get_per_token_logps_and_entropies", "_compute_loss")}
        self.phases: dict[bool, list[float]] = {True: [], False: []}
        self.sum = self.own = 0.0
        self.counted = False
        for name in ("_add", "on_step_end", "on_pre_optimizer_step"):
            setattr(monitor, name, self.timed(getattr(monitor, name)))

    def timed(self, inner: Callable[..., None]) -> Callable[..., None]:
        def outer(*args: Any, **kwargs: Any) -> None:
            began = time.thread_time()
            inner(*args, **kwargs)
            if self.counted:
                self.own += time.thread_time() - began

        return outer

    def watches(self, step: int) -> bool:
        return step // M % 2 == 0

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.counted = self.watches(state.global_step) and state.global_step >= WARM * M
        for name, method in self.methods.items():
            if self.watches(state.global_step):
                setattr(self.trainer, name, method)
            else:
                vars(self.trainer).pop(name, None)
        self.began = time.thread_time()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        step = state.global_step - 1
        if step % M:
            self.sum += time.thread_time() - self.began
        if step % M == M - 1:
            if step >= WARM * M:
                self.phases[self.watches(step)].append(self.sum)
            self.sum = 0.0


def overhead(phases: int, model: str | None) -> None:
    """phases: even."""
    line = ModelLine(path=model) if model else ModelLine(organism="default")
    subject = load_subject(line, ProbeLine(prompts=8, samples=1) if model else ProbeLine(prompts=8))
    more = {"max_completion_length": 32, "learning_rate": 1e-6, "per_device_train_batch_size": 2} if model else {}
    trainer = trainer_of(subject, phases, coin(0), 0, **more)
    monitor = ClippingMonitor(trainer)
    clock = Clock(trainer, monitor)
    trainer.add_callback(clock)
    trainer.train()
    pairs = np.array([clock.phases[True], clock.phases[False]])
    logs = np.log(pairs[0] / pairs[1])
    error = 1.96 * logs.std(ddof=1) / np.sqrt(len(logs))
    low, middle, high = np.exp(logs.mean() + error * np.array([-1, 0, 1]))
    bare, own = pairs[1].mean() / (M - 1), clock.own / len(logs) / M
    name = Path(model).name if model else "organism"
    print(
        f"{name}: a bare step {1000 * bare:.0f} ms of processor time; with the monitor {middle:.3f}"
        f" [{low:.3f}, {high:.3f}] times that, in {len(logs)} pairs of phases of {M} steps; its own time"
        f" {1000 * own:.2f} ms a step, {own / bare:.2%} of a bare one"
    )


@contextlib.contextmanager
def drawn(path: Path) -> Iterator[Any]:
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    yield axes
    figure.savefig(path, dpi=130)


def figure(out: Path) -> None:
    runs = json.loads((out / "agreement.json").read_text())
    name, rows = next(iter(json.loads((out / "planted.json").read_text()).items()))
    with drawn(out / "monitor.png") as (left, right):
        for side, colour, marker in zip(SIDES, (LOW, HIGH), "os", strict=True):
            for run in runs:
                measured, predicted = (series(run["rows"], f"{side}/{kind}") for kind in ("measured", "predicted"))
                left.errorbar(
                    100 * predicted.mean(),
                    100 * measured.mean(),
                    100 * measured.std(ddof=1) / np.sqrt(len(measured)),
                    fmt=marker,
                    color=colour,
                    markersize=4 + 12 * RATES.index(run["rate"]) / 3,
                )
            left.plot([], [], marker, color=colour, label=f"clipped {side}")
        ends = [0.04, 1.4]
        left.plot(ends, ends, color=GREY, linewidth=1)
        left.set(xscale="log", yscale="log", xlabel="predicted from mini-batch 2, % of tokens", ylabel="measured, %")
        left.legend(frameon=False)
        left.set_title("12 trainings: 4 bounds × 3 learning rates (larger: faster)", fontsize=10)
        phase = np.arange(1, len(rows) + 1)
        limit = np.array([row.get("clipping/limit/stride/high", np.nan) for row in rows])
        right.semilogy(phase, series(rows, "stride"), "o-", color=LOW, markersize=3, label="stride")
        right.semilogy(phase, np.where(limit < 1, limit, np.nan), color=GREY, label="its limit")
        heard = [i for i, row in enumerate(rows) if row["said"]]
        right.semilogy(
            phase[heard], series(rows, "stride")[heard], "o", markersize=9, mfc="none", color=MEASURED, label="alert"
        )
        right.axvline(len(rows) * 2 // 3 + 0.5, color=GREY, linestyle=":", linewidth=1)
        right.set(xlabel="phase", ylabel="mean |log ratio| of one update")
        right.legend(frameon=False)
        right.set_title(name.split(",")[0] + " at the dotted line", fontsize=10)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("agreement", "healthy", "planted", "overhead", "figure"))
    parser.add_argument("--phases", type=int, default=30)
    parser.add_argument("--out", type=Path, default=Path("runs/monitor"))
    parser.add_argument("--model", help="folder of a model, for overhead; else the organism")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    logging.disable(logging.WARNING)
    match given.what:
        case "overhead":
            overhead(given.phases, given.model)
        case "figure":
            figure(given.out)
        case what:
            {"agreement": agreement, "healthy": healthy, "planted": planted}[what](given.phases, given.out)
