"""TRL, and those that train by it: the same series, other keys."""

from ..log import Role
from .framework import SIDE, Framework

R = Role
_NAMES: dict[Role, tuple[str, ...]] = {
    R.LOSS: ("loss",),
    R.GRAD: ("grad_norm",),
    R.ENTROPY: ("entropy", "entropy/mean"),
    R.ENTROPY_COEF: ("entropy_coef",),
    R.CLIP_LOW: ("clip_ratio/low_mean",),
    R.CLIP_HIGH: ("clip_ratio/high_mean",),
    R.CLIP: ("clip_ratio/region_mean", "clip_ratio"),
    R.CAPPED: ("cispo_clip_ratio",),
    R.KL_REF: ("kl",),
    R.MEASURE: ("rewards/*/mean", "eval_reward", "eval_rewards/*/mean", "eval/reward", "eval/rewards/*/mean"),
    R.REWARD: ("reward",),
    R.REWARD_STD: ("reward_std",),
    R.ZERO_STD: ("frac_reward_zero_std",),
    R.LENGTH: ("completions/mean_length", "completion_length"),
    R.TRUNCATED: ("completions/clipped_ratio",),
    R.ENGINE_GAP: ("sampling/sampling_logp_difference/mean",),
    R.ENGINE_MIN: ("sampling/importance_sampling_ratio/min",),
    R.ENGINE_MEAN: ("sampling/importance_sampling_ratio/mean",),
}
_NOTES = {
    "clip_ratio/low_mean": "effective: below the lower bound with a negative advantage; over all tokens",
    "clip_ratio/high_mean": "effective: above the upper bound with a positive advantage; over all tokens",
    "clip_ratio/region_mean": SIDE,
    "clip_ratio": "an older TRL's only clip series: " + SIDE,
    "cispo_clip_ratio": "weights capped at epsilon_high: scaled, never removed",
    "completions/clipped_ratio": "answers cut off at the length limit; nothing to do with the clip",
    "grad_norm": "before it is cut at max_grad_norm",
    "sampling/importance_sampling_ratio/min": "0 is the mark of a sequence mask",
}
_SWITCH = {
    R.CLIP: "logged by default for loss_type grpo, bnpo, dr_grpo, dapo and luspo; sapo and vespo have no clip series",
    R.CLIP_HIGH: "clip_ratio/low_mean and clip_ratio/high_mean, logged by TRL 0.17 or later",
    R.ENTROPY: "logged by TRL 0.18 or later",
    R.RATIO: "not available in TRL: a subclass must record the ratios of the mini-batches",
    R.KL_REF: "beta above 0",
    R.ZERO_STD: "logged by TRL 0.18 or later",
    R.ENGINE_GAP: "use_vllm with vllm_importance_sampling_correction",
    R.TRUNCATED: "logged by TRL 0.17 or later",
    R.ENGINE_MIN: "completions with their weights (log_completions=True and a subclass)",
    R.MEASURE: "a second reward function of weight 0 (reward_weights), the same in both runs",
}
_NO_CLIP = "epsilon 1.0 and epsilon_high 1e6"
TRL = Framework(
    name="trl",
    title="TRL",
    more_updates="steps_per_generation above gradient_accumulation_steps, or num_iterations above 1",
    no_clip=_NO_CLIP,
    line="update",
    names=_NAMES,
    notes=_NOTES,
    switch_on=_SWITCH,
    marks=(
        "frac_reward_zero_std",
        "completions/*",
        "clip_ratio/*",
        "cispo_clip_ratio",
        "completion_length",
        "clip_ratio",
    ),
    fresh=("num_tokens", "completions/*", "completion_length"),
)
SWIFT = Framework(
    name="ms-swift",
    title="ms-swift",
    more_updates="steps_per_generation above gradient_accumulation_steps, or num_iterations above 1",
    no_clip=_NO_CLIP,
    line="update",
    names=_NAMES,
    notes=_NOTES,
    switch_on=_SWITCH | {R.ENTROPY: "log_entropy: true", R.ENGINE_GAP: "rollout_importance_sampling_mode"},
    marks=(*TRL.marks, "global_step/max_steps", "entropy/mean", "entropy/min", "entropy/max"),
    fresh=("num_tokens", "completions/*"),
)
UNSLOTH = Framework(
    name="unsloth",
    title="Unsloth",
    more_updates="steps_per_generation above gradient_accumulation_steps, or num_iterations above 1",
    no_clip=_NO_CLIP,
    line="update",
    names=_NAMES | {R.LENGTH: ("completions/mean_length", "completion_length")},
    notes=_NOTES,
    switch_on=_SWITCH | {R.CLIP: "not written by its compiled loss; TRL's own trainer logs it"},
    fresh=("num_tokens", "completions/*", "completion_length"),
)
TRL_PPO = Framework(
    name="trl-ppo",
    title="TRL's PPO",
    line="update",
    names={
        R.RATIO: ("ratio", "val/ratio", "ppo/policy/ratio", "ppo/policy/advantages_mean_ratio"),
        R.CLIP: ("policy/clipfrac_avg", "ppo/policy/clipfrac"),
        R.KL_OLD: ("policy/approxkl_avg", "ppo/policy/approxkl"),
        R.KL_REF: ("objective/kl",),
        R.ENTROPY: ("policy/entropy_avg", "objective/entropy", "ppo/policy/entropy"),
        R.REWARD: ("objective/scores", "ppo/mean_scores", "env/reward_mean"),
        R.LOSS: ("loss/policy_avg", "ppo/loss/policy"),
    },
    notes={"policy/clipfrac_avg": "outside the band whatever the advantage, averaged over mini-batches"},
    marks=("minibatch", "ppo/*", "objective/rlhf_reward"),
    switch_on={R.CLIP: "policy/clipfrac_avg (ppo/policy/clipfrac in older versions), logged by default"},
)
