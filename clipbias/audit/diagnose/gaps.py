"""What cannot be concluded from a log, and what would tell."""

from ..frameworks.catalogue import BY_NAME
from ..frameworks.framework import Framework
from ..frameworks.others import OTHER
from ..log import Log, Role
from .clip import Clip
from .finding import Finding, Gap
from .steps import Steps

NO_CLIP = "an arm without the clip, same seeds"
PLACEBO = "runs with a coin as reward and the same seeds, given by --placebo"
EVERY_STEP = "one line for each optimizer step (logging_steps=1)"


def gaps_of(
    log: Log, logged: set[Role], steps: Steps | None, clip: Clip, signal_absent: bool, findings: list[Finding]
) -> list[Gap]:
    """log: up to where it broke. logged: what all of it has series of, numbers or not."""
    framework = BY_NAME[log.framework]
    codes = {finding.code for finding in findings}
    gaps = [*_clip_gaps(log, logged, framework, steps, clip, signal_absent)]
    if Role.ENTROPY not in logged:
        gaps.append(Gap(code="entropy-missing", switch_on=key_for(framework, Role.ENTROPY)))
    elif clip.acted and any(code.startswith(("entropy-falls", "entropy-rises")) for code in codes):
        gaps.append(Gap(code="entropy-cause-clip", switch_on=f"{_without_clip(framework)}; {PLACEBO}"))
    elif any(code.startswith(("entropy-falls", "entropy-rises")) for code in codes):
        gaps.append(Gap(code="entropy-cause", switch_on=PLACEBO))
    if (entropy := log.of(Role.ENTROPY)) is not None and entropy.values.size < 5:
        gaps.append(Gap(code="too-few-points", switch_on="the whole log", evidence={"points": entropy.values.size}))
    grouped = any(log.of(role) for role in (Role.ZERO_STD, Role.MIXED, Role.ADVANTAGE_MAX))
    if not grouped and not signal_absent:
        gaps.append(Gap(code="groups-missing", switch_on=key_for(framework, Role.ZERO_STD)))
    if "recomputation-noise" in codes:
        gaps.append(Gap(code="drift", switch_on="ratios of later mini-batches against the first, on one rollout"))
    if "engine-drops" in codes:
        gaps.append(Gap(code="which-dropped", switch_on=key_for(framework, Role.ENGINE_MIN)))
    if log.decimals is not None:
        gaps.append(Gap(code="rounded-values", switch_on="unrounded numbers: W&B, TensorBoard or the file logger"))
    return gaps


def _clip_gaps(
    log: Log, logged: set[Role], framework: Framework, steps: Steps | None, clip: Clip, signal_absent: bool
) -> list[Gap]:
    """About clipping alone."""
    gaps = []
    counted = logged & {Role.CLIP, Role.CLIP_LOW, Role.CLIP_HIGH, Role.CAPPED}
    if signal_absent:
        gaps.append(Gap(code="clip-without-signal", switch_on="steps whose groups have different rewards"))
    elif clip.can_act is False and not framework.no_ratio_clip:
        gaps.append(Gap(code="clip-effect", switch_on=framework.more_updates))
    if not counted:
        gaps.append(Gap(code="clip-missing", switch_on=key_for(framework, Role.CLIP)))
        if log.of(Role.RATIO) is not None:
            gaps.append(Gap(code="share-from-means", switch_on=key_for(framework, Role.CLIP)))
    elif clip.side == "pooled":
        gaps.append(Gap(code="side-missing", switch_on=key_for(framework, Role.CLIP_HIGH)))
    if clip.acted:
        gaps.append(Gap(code="clip-cause", switch_on=_without_clip(framework)))
    if clip.acted is False and clip.can_act is None:
        gaps.append(Gap(code="clip-inert", switch_on="the configuration: `clipbias check` reads it"))
    if steps is None or steps.value is None:
        more = EVERY_STEP if framework.fresh else "the configuration: `clipbias check` reads it"
        gaps.append(Gap(code="steps-missing", switch_on=more))
    return gaps


def _without_clip(framework: Framework) -> str:
    return f"{NO_CLIP} ({framework.no_clip})" if framework.no_clip else NO_CLIP


def key_for(framework: Framework, role: Role) -> str:
    """What would log a role, or more of it, in that framework."""
    known = framework.switch_on.get(role) or OTHER.switch_on.get(role)
    return known or f"not logged by {framework.title} as far as is known"
