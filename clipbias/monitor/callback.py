"""`ClippingMonitor`: TRL's GRPOTrainer watched while it trains, in a line."""

import logging
import math
from collections import deque
from typing import Any

import torch
from transformers import TrainerCallback
from trl.trainer.grpo_trainer import GRPOTrainer

from clipbias.check.setup import Moves
from clipbias.common.errors import check
from clipbias.validate.recipe.gate import per_answer
from clipbias.validate.train.ratios import TrainingPass
from clipbias.validate.train.sketch import Sketch

from .expectation import Steps
from .phases import Phases
from .setting import setting_of
from .view import View
from .watch import Alert

logger = logging.getLogger("clipbias.monitor")
KEPT = 1000  # alerts


class ClippingMonitor(TrainerCallback):
    """What the clip does in a training, phase by phase, through whatever tracker the trainer reports to.

        import clipbias
        monitor = clipbias.ClippingMonitor(trainer)  # before trainer.train()

    It logs `clipping/…` beside the trainer's own metrics, and warns (`logging`, `monitor.alerts`) of what lies outside
    its prediction's quantiles. trainer: a GRPOTrainer or a subclass of it, whose loss and random numbers stay as they
    are. false_alarms: the chance that a training in which nothing changes is alarmed at all. Where the ratio is 1 by
    construction it says so once, with what to change, and watches nothing. view: of the last phase.

    Raises: InputError for a loss that has no gate in the ratio.
    """

    def __init__(self, trainer: GRPOTrainer, *, false_alarms: float = 0.01) -> None:
        check(0.0 < false_alarms < 1.0, "false_alarms", "in (0, 1)", false_alarms)
        self.setting, self._false_alarms = setting_of(trainer.args), false_alarms
        self.view: View | None = None
        self.alerts: deque[Alert] = deque(maxlen=KEPT)
        self._trainer = trainer
        if self.setting.moves is Moves.IDENTICAL:
            arithmetic, more = self.setting.arithmetic, self.setting.more_updates
            self._say("the clip cannot act, since every ratio is 1: %s. It can with %s.", arithmetic, more)
            return
        if self.setting.moves is Moves.NOISE:
            self._say("the clip acts on rounding alone: %s.", self.setting.arithmetic)
        self._start = 0
        self._rates: list[float] = []  # of the rollout that is under way, and of the one before
        self._rates_before: list[float] = []
        self._sketch = Sketch(self.setting.minibatches, trainer.accelerator.device)
        self._attach()
        trainer.add_callback(self)

    def _attach(self) -> None:
        """Put the reading of ratios around the two methods of this one trainer."""
        trainer, seen = self._trainer, TrainingPass()
        forward, loss_of = trainer._get_per_token_logps_and_entropies, trainer._compute_loss

        def kept(*args: Any, **kwargs: Any) -> Any:
            result = forward(*args, **kwargs)
            seen.keep(result)
            return result

        def read(model: Any, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
            loss: torch.Tensor = loss_of(model, inputs)  # type: ignore[no-untyped-call]
            if torch.is_grad_enabled():
                self._add(seen, inputs)
            return loss

        setattr(trainer, "_get_per_token_logps_and_entropies", kept)  # noqa: B010
        setattr(trainer, "_compute_loss", read)  # noqa: B010

    def _add(self, seen: TrainingPass, inputs: dict[str, torch.Tensor]) -> None:
        gate, step = self.setting.gate, self._trainer.state.global_step
        if self._trainer._step % self.setting.rollout == 0:
            self._start, self._rates, self._rates_before = step, [], self._rates
        minibatch, ratios = step - self._start, seen.ratios(inputs, per_answer(gate))
        weight = inputs.get("importance_sampling_ratio", 1.0)
        unit = self._steps(self._rates).growth(1) if minibatch == 1 else 0.0
        self._sketch.add(minibatch, ratios, inputs["advantages"], gate, weight, unit)

    def _steps(self, rates: list[float]) -> Steps:
        return Steps(rates=rates, before=self._start, momentum=self._momentum, corrected=self._corrected)

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        group = kwargs["optimizer"].param_groups[0]
        self._momentum = float(group["betas"][0] if "betas" in group else group.get("momentum", 0.0))
        self._corrected = "betas" in group
        self._start, self._done = state.global_step, self._trainer._step // self.setting.rollout
        phases = math.ceil(state.max_steps * self.setting.accumulation / self.setting.rollout)
        self._phases = Phases(self.setting.gate, self.setting.fresh, phases, self._false_alarms)

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._rates.append(float(kwargs["optimizer"].param_groups[0]["lr"]) / (args.learning_rate or 1.0))

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        done = self._trainer._step // self.setting.rollout
        if done == self._done:
            return
        self._done = done
        sums = self._sketch.take(lambda tensor: self._trainer.accelerator.reduce(tensor, "sum"))
        if not sums.tokens.any():
            self._say("no ratio was seen: the loss of %s does not come from TRL's", type(self._trainer).__name__)
            return
        rates = max(self._rates, self._rates_before, key=len)  # the next rollout may have begun in this very step
        self.view = self._phases.view(state.global_step, sums, self._steps(rates))
        for name, value in self.view.metrics().items():
            self._trainer._metrics["train"][name].append(value)
        for alert in self.view.alerts:
            self.alerts.append(alert)
            self._say("%s", alert)

    def _say(self, text: str, *words: object) -> None:
        """Once, however many processes train."""
        if self._trainer.accelerator.is_main_process:
            logger.warning(text, *words)
