"""TRL's GRPOTrainer, unchanged in what it computes, with every token's ratio written down as it goes by.

Two private methods of TRL are overridden (its version is pinned and a test checks their signatures): one to keep the
log-probabilities of the training forward pass, so that recording costs no second one, and one to read them beside the
old ones. Where a mini-batch passes in parts, its loss is made that of the whole (`accumulation`).

Two things are added so that arms are paired and a killed run repeats itself: the sampler is re-seeded from
(seed, phase, batch) before each batch of a rollout, and the prompts of a phase are drawn from (seed, phase). What
several processes train is what one would (`processes`).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from accelerate import PartialState
from datasets import Dataset
from transformers import PrinterCallback, TrainerCallback
from trl.trainer.grpo_trainer import GRPOTrainer

from clipbias.common.seeds import seed_of
from clipbias.validate.model.subject import Subject
from clipbias.validate.recipe.arm import Arm
from clipbias.validate.recipe.gate import per_answer
from clipbias.validate.recipe.training import Training
from clipbias.validate.tasks.problems import Problem, is_boxed, says
from clipbias.validate.tasks.rewards import parse_reward

from .accumulation import share_of_tokens, splits_by_tokens
from .options import grpo_config
from .processes import dealt
from .ratios import TrainingPass, removed
from .record import Block, Record
from .reward_function import reward_function


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """Problems that an arm is trained on, and the majority's label of each (None where nothing needs it)."""

    problems: tuple[Problem, ...]
    labels: tuple[Any, ...]


def prompts_table(subject: Subject, chosen: TrainingSet, training: Training, seed: int, phases: range) -> Dataset:
    """One row per prompt and phase, in training order; which problems a phase uses depends on (seed, phase) only.

    They are drawn without replacement, unless a phase takes more than there are.
    """
    rows = []
    for phase in phases:
        rng = np.random.default_rng([seed, phase])
        count = len(chosen.problems)
        places = rng.choice(count, size=training.prompts_per_phase, replace=training.prompts_per_phase > count)
        for slot, i in enumerate(places):
            problem = chosen.problems[i]
            known = {"problem": str(problem.prompt), "answer": problem.answer, "label": chosen.labels[i]}
            rows.append({"prompt": subject.prompt(problem), "phase": phase, "slot": slot} | known)
    return Dataset.from_list(rows)


class PhaseEnd(TrainerCallback):
    """Calls `act(phases done)` after the last optimizer step of each phase."""

    def __init__(self, minibatches: int, act: Callable[[int], None]) -> None:
        self.minibatches, self.act = minibatches, act

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.global_step % self.minibatches == 0:
            self.act(state.global_step // self.minibatches)


class RecordingTrainer(GRPOTrainer):
    """GRPOTrainer on one arm and seed, from phase `phases.start` to `phases.stop`."""

    def __init__(
        self,
        subject: Subject,
        chosen: TrainingSet,
        training: Training,
        arm: Arm,
        seed: int,
        phases: range,
        optimizer: torch.optim.Optimizer,
        record: Record,
        scratch: str,
    ) -> None:
        super().__init__(
            model=subject.model,
            args=grpo_config(training, arm, seed, len(phases), scratch, PartialState().num_processes),
            reward_funcs=reward_function(parse_reward(arm.reward), seed, training.success_prob, training.group_size),
            train_dataset=prompts_table(subject, chosen, training, seed, phases),
            processing_class=subject.tokenizer,
            optimizers=(optimizer, None),
        )
        self.remove_callback(PrinterCallback)
        self.subject, self.arm, self.run_seed, self.phases = subject, arm, seed, phases
        self.group_size, self.minibatches = training.group_size, training.minibatches
        self.accumulation = self.args.gradient_accumulation_steps
        self.record = record
        self._training_pass = TrainingPass()

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        self._phase = inputs[0]["phase"]
        outputs = super()._generate_and_score_completions(inputs)
        masked = zip(outputs["completion_ids"], outputs["completion_mask"].bool(), strict=True)
        ids = [row[keep].tolist() for row, keep in masked]
        advantages = outputs["advantages"].tolist()
        texts = self.subject.tokenizer.batch_decode(ids, skip_special_tokens=True)
        before = self.accelerator.process_index * len(ids)
        for i, (row, text, tokens) in enumerate(zip(inputs, texts, ids, strict=True)):
            self.record.samples.append(
                {
                    "phase": row["phase"],
                    "slot": row["slot"],
                    "sample": (before + i) % self.group_size,
                    "advantage": advantages[i],
                    "uses_strategy": self.subject.strategy_of(text),
                    "correct": says(text, row["answer"]),
                    "boxed": is_boxed(text, row["answer"]),
                    "length": len(tokens),
                    "finished": tokens[-1] in self.eos_token_ids,
                    "problem": row["problem"],
                    "answer": row["answer"],
                    "text": text,
                }
            )
        if self.accelerator.num_processes == 1:
            return outputs
        return dealt(outputs, self.accelerator, self.minibatches * self.accumulation)

    def _generate_single_turn(self, prompt_ids: list[list[int]], *rest: Any) -> Any:
        """At most the subject's batch at a time, each seeded from (seed, phase, its number in the whole phase)."""
        found: list[list[int]] = []
        generate: Any = super()._generate_single_turn
        size = self.subject.batch
        before = self.accelerator.process_index * math.ceil(len(prompt_ids) / size)
        for number, first in enumerate(range(0, len(prompt_ids), size), start=before):
            torch.manual_seed(seed_of(self.run_seed, self._phase, number))
            some = prompt_ids[first : first + size]
            found += generate(some, *rest)[0]
        return found, None

    def _get_per_token_logps_and_entropies(self, *args: Any, **kwargs: Any) -> Any:
        result = super()._get_per_token_logps_and_entropies(*args, **kwargs)
        self._training_pass.keep(result)
        return result

    def _compute_loss(self, model: Any, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        loss: torch.Tensor = super()._compute_loss(model, inputs)  # type: ignore[no-untyped-call]
        part = self._step % self.accumulation
        if splits_by_tokens(self.loss_type):
            loss = loss * share_of_tokens(
                self._masks_of_minibatch(), part, self.accelerator.num_processes, self.accelerator.reduce
            )
        gate = self.arm.gate
        ratios = self._training_pass.ratios(inputs, per_answer(gate))
        mask = ratios.mask
        step = self.state.global_step
        phase = self.phases.start + step // self.minibatches
        row, position = mask.nonzero(as_tuple=True)
        advantage = inputs["advantages"][row]
        clipped = removed(gate, ratios.seen[mask].exp(), advantage)
        count, place = len(row), part * self.accelerator.num_processes + self.accelerator.process_index
        self._keep_tokens(
            part,
            {
                "phase": np.full(count, phase, np.int32),
                "minibatch": np.full(count, step % self.minibatches, np.int16),
                "row": (row + place * len(mask)).cpu().numpy().astype(np.int32),
                "position": position.cpu().numpy().astype(np.int32),
                "token": inputs["completion_ids"][mask].cpu().numpy().astype(np.int32),
                "old_log_prob": ratios.old[mask].float().cpu().numpy(),
                "log_ratio": ratios.log_ratio[mask].float().cpu().numpy(),
                "advantage": advantage.float().cpu().numpy(),
                "clipped": clipped.cpu().numpy().astype(np.int8),
            },
        )
        self.record.entropy.append((phase, float(ratios.entropies[mask].sum()), count))
        if self.record.sketch is not None:
            self.record.sketch.add(step % self.minibatches, ratios, inputs["advantages"], gate)
        return loss

    def _masks_of_minibatch(self) -> list[torch.Tensor]:
        """Of its micro-batches, in their order."""
        buffered: Any = self._buffered_inputs
        first = self._step // self.accumulation * self.accumulation % len(buffered)
        return [inputs["completion_mask"] for inputs in buffered[first : first + self.accumulation]]

    def _keep_tokens(self, part: int, block: Block) -> None:
        """One block a mini-batch, however many parts it passes in."""
        if part:
            before = self.record.tokens.pop()
            block = {name: np.concatenate([before[name], block[name]]) for name in block}
        self.record.tokens.append(block)

    def forget(self) -> None:
        """What TRL keeps of every step until it logs, which it is not asked to do."""
        self._metrics["train"].clear()
