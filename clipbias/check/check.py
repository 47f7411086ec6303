"""One question to one or more files: read, recognise, apply the framework's rules, answer."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from clipbias.common.errors import InputError

from .answer import Answer, Assumed, answer, finite, steps_text
from .catalogue import FRAMEWORKS
from .document import Document, read_document
from .framework import Framework
from .recognise import recognised, settings_of
from .settings import Settings, shown
from .setup import Remark, Severity, Training

DEVICES = (1, 2, 4, 8, 16, 32, 64)  # tried where the answer depends on their number and nobody gave it


@dataclass(frozen=True, slots=True, kw_only=True)
class Possibility:
    """What holds at one number of devices."""

    devices: int
    training: Training
    answer: Answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """possibilities: one for each number of devices among DEVICES, where the answer depends on it and was not told."""

    framework: Framework
    settings: Settings
    training: Training
    answer: Answer
    possibilities: tuple[Possibility, ...] = ()

    @property
    def finds(self) -> bool:
        """Whether anything is to be mended."""
        return bool(self.training.ignored) or any(r.level != "note" for r in self.answer.remarks)

    def to_json(self) -> dict[str, Any]:
        training, found = self.training, self.answer
        loss = training.loss
        return {
            "framework": self.framework.name,
            "verdict": found.verdict,
            "clip_can_act": found.clip_can_act,
            "optimizer_steps_per_rollout": steps_text(training.geometry.steps_per_rollout),
            "arithmetic": training.geometry.arithmetic,
            "ratio_moves_by": None if training.moves is None else training.moves.value,
            "denominator": training.denominator.where,
            "loss": loss.name,
            "ratio_of": loss.level,
            "lower_bound": loss.lower_bound,
            "upper_bound": finite(loss.upper),
            "dual_bound": finite(loss.dual),
            "bound_keys": list(loss.keys),
            "ignored": [{"key": i.key, "value": shown(i.value), "why": i.why} for i in training.ignored],
            "gates": [{"name": g.name, "key": g.key, "what": g.what} for g in training.gates],
            "findings": [{"code": r.code, "level": r.level, "message": r.message, "fix": r.fix} for r in found.remarks],
            "degenerate_group_prob": found.degenerate_group_prob,
            "max_abs_advantage": found.max_abs_advantage,
            "neutral_upper_bound": found.neutral_upper,
            "neutral_upper_bound_quiet_rest": found.neutral_upper_quiet,
            "entropy_push": found.push,
            "clipped_share_low": found.cut_low,
            "clipped_share_high": found.cut_high,
            "confounders": [{"key": key, "value": shown(value)} for key, value in training.confounders],
            "defaults": {key: shown(value) for key, value in self.settings.defaults.items()},
            "possibilities": [
                {
                    "devices": p.devices,
                    "verdict": p.answer.verdict,
                    "optimizer_steps_per_rollout": steps_text(p.training.geometry.steps_per_rollout),
                }
                for p in self.possibilities
            ],
        }


def check_files(
    paths: Sequence[Path],
    overrides: Sequence[str] = (),
    *,
    framework: str | None = None,
    devices: int | None = None,
    version: str | None = None,
    assumed: Assumed | None = None,
) -> Checked:
    """What the files and overrides (KEY=VALUE) say of the clip.

    Raises: InputError for a file that cannot be read, a framework that cannot be told, a value outside its range.
    """
    documents = [read_document(path) for path in paths]
    return check_documents(documents, overrides, framework=framework, devices=devices, version=version, assumed=assumed)


def check_documents(
    documents: Sequence[Document],
    overrides: Sequence[str] = (),
    *,
    framework: str | None = None,
    devices: int | None = None,
    version: str | None = None,
    assumed: Assumed | None = None,
) -> Checked:
    """The same of what was read."""
    chosen = _named(framework) if framework is not None else recognised(documents, FRAMEWORKS)
    assumed = assumed or Assumed()

    def at(count: int | None) -> tuple[Settings, Training, Answer]:
        settings, remarks = settings_of(documents, chosen, overrides, devices=count, version=version)
        training = chosen.read(settings)
        found = answer(training, assumed)
        remarks = [*training.remarks, *found.remarks, *remarks, *_of_keys(settings, chosen)]
        return settings, training, replace(found, remarks=tuple(remarks))

    settings, training, found = at(devices)
    possibilities: tuple[Possibility, ...] = ()
    if settings.devices_asked:
        tried = [Possibility(devices=count, training=t, answer=a) for count in DEVICES for _, t, a in (at(count),)]
        if len({(p.answer.verdict, p.training.geometry.steps_per_rollout) for p in tried}) > 1:
            possibilities = tuple(tried)
            best = next((p for p in tried if p.answer.verdict != "refused"), tried[0])
            message = f"the answer depends on the number of devices: this is for {best.devices}"
            remark = Remark(code="depends-on-devices", level="note", message=message, fix="--devices N")
            training, found = best.training, replace(best.answer, remarks=(*best.answer.remarks, remark))
    return Checked(framework=chosen, settings=settings, training=training, answer=found, possibilities=possibilities)


def _named(name: str) -> Framework:
    for framework in FRAMEWORKS:
        if framework.name == name:
            return framework
    raise InputError("framework", f"one of {', '.join(f.name for f in FRAMEWORKS)}", name)


def _of_keys(settings: Settings, framework: Framework) -> list[Remark]:
    """Keys that no reader knows, variables that lead nowhere, and what rests on defaults."""
    found = []
    for at in settings.cut_off:
        message = f"line {at} begins with an option and belongs to no command: a comment before it ends the command"
        found.append(Remark(code="cut-off", level="warning", message=message))
    for key, like in settings.unread(framework.knows):
        line = settings.entries[key].line
        place = f" (line {line})" if line else ""
        message = f"{framework.title} has no key {key}{place} that is known here: it changes nothing in this answer"
        if key == "**":
            message = f"arguments{place} that only running the file would tell: they may change this answer"
        level: Severity = "note" if like is None and key != "**" else "warning"
        fix = f"{like}?" if like is not None else None
        found.append(Remark(code="unknown-key", level=level, message=message, fix=fix))
    for name, variable in settings.unused_variables():
        message = f"the script sets {name}={shown(variable.value)} (line {variable.line}) and never passes it"
        level = "warning" if any(part in name.lower() for part in ("clip", "eps", "batch", "rollout")) else "note"
        found.append(Remark(code="variable-not-passed", level=level, message=message))
    if settings.defaults:
        named = ", ".join(f"{key}={shown(value)}" for key, value in settings.defaults.items())
        message = f"taken from {framework.title} {framework.version}'s defaults: {named}"
        found.append(Remark(code="defaults", level="note", message=message))
    return found
