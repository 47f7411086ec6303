"""What the frameworks' series mean, as data: which names, with what care to read them, and what logs the missing ones.

Read in the sources of trl 1.16, ms-swift 4.6, verl 0.9.1, openrlhf 0.11.2 and the newest public states of the others.
A name is exact, or has * for any text; a leading "train/" may stand before it.
"""

from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Literal

from .log import Meaning, Role

R = Role
SIDE = "effective, but both sides pooled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Framework:
    """line: what one line of the log stands for. marks: names that only this one writes. fresh: names on lines whose
    optimizer step is the first on new answers. names, notes: of each role; of single series. constants: written
    whatever happens. switch_on: what logs a role that is missing. more_updates: what gives the clip something to do.
    no_ratio_clip: it bounds something else than the ratio. own_ratio: with one step on a rollout its ratio is exactly
    1."""

    name: str
    title: str
    line: Literal["update", "rollout"]
    names: dict[Role, tuple[str, ...]]
    marks: tuple[str, ...] = ()
    fresh: tuple[str, ...] = ()
    notes: dict[str, str] = field(default_factory=dict)
    constants: tuple[str, ...] = ()
    switch_on: dict[Role, str] = field(default_factory=dict)
    more_updates: str = "more optimizer steps on each rollout"
    no_ratio_clip: bool = False
    own_ratio: bool = False

    def meaning(self, name: str) -> Meaning | None:
        for role, names in self.names.items():
            for known in names:
                if matches(name, known):
                    note = self.notes.get(known, "")
                    return Meaning(role=role, note=note, constant=known in self.constants)
        return None


def matches(name: str, known: str) -> bool:
    return fnmatchcase(name, known) or fnmatchcase(name.removeprefix("train/"), known)


_TRL_NAMES: dict[Role, tuple[str, ...]] = {
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
_TRL_NOTES = {
    "clip_ratio/low_mean": "effective: below the lower bound with a negative advantage; over all tokens",
    "clip_ratio/high_mean": "effective: above the upper bound with a positive advantage; over all tokens",
    "clip_ratio/region_mean": SIDE,
    "clip_ratio": "an older TRL's only clip series: " + SIDE,
    "cispo_clip_ratio": "weights capped at epsilon_high: scaled, never removed",
    "completions/clipped_ratio": "answers cut off at the length limit; nothing to do with the clip",
    "grad_norm": "before it is cut at max_grad_norm",
    "sampling/importance_sampling_ratio/min": "0 is the mark of a sequence mask",
}
_TRL_SWITCH = {
    R.CLIP: "logged by default for loss_type grpo, bnpo, dr_grpo, dapo and luspo; sapo and vespo have no clip series",
    R.CLIP_HIGH: "clip_ratio/low_mean and clip_ratio/high_mean, logged by TRL 0.17 or later",
    R.ENTROPY: "logged by TRL 0.18 or later",
    R.RATIO: "not available in TRL: a subclass must record the ratios of the mini-batches",
    R.KL_REF: "beta above 0",
    R.ZERO_STD: "logged by TRL 0.18 or later",
    R.ENGINE_GAP: "use_vllm with vllm_importance_sampling_correction",
    R.TRUNCATED: "logged by TRL 0.17 or later",
}
TRL = Framework(
    name="trl",
    title="TRL",
    more_updates="steps_per_generation above gradient_accumulation_steps, or num_iterations above 1",
    own_ratio=True,
    line="update",
    names=_TRL_NAMES,
    notes=_TRL_NOTES,
    switch_on=_TRL_SWITCH,
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
    own_ratio=True,
    line="update",
    names=_TRL_NAMES,
    notes=_TRL_NOTES,
    switch_on=_TRL_SWITCH | {R.ENTROPY: "log_entropy: true", R.ENGINE_GAP: "rollout_importance_sampling_mode"},
    marks=(*TRL.marks, "global_step/max_steps", "entropy/mean", "entropy/min", "entropy/max"),
    fresh=("num_tokens", "completions/*"),
)
UNSLOTH = Framework(
    name="unsloth",
    title="Unsloth",
    more_updates="steps_per_generation above gradient_accumulation_steps, or num_iterations above 1",
    own_ratio=True,
    line="update",
    names=_TRL_NAMES | {R.LENGTH: ("completions/mean_length", "completion_length")},
    notes=_TRL_NOTES,
    switch_on=_TRL_SWITCH | {R.CLIP: "not written by its compiled loss; TRL's own trainer logs it"},
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
VERL = Framework(
    name="verl",
    title="verl",
    more_updates="ppo_mini_batch_size below train_batch_size, or ppo_epochs above 1",
    line="rollout",
    names={
        R.TRUNCATED: ("response_length/clip_ratio",),
        R.CLIP: ("actor/pg_clipfrac", "pg_clipfrac*"),
        R.DUAL: ("actor/pg_clipfrac_lower",),
        R.KL_OLD: ("actor/ppo_kl",),
        R.KL_REF: ("actor/kl_loss", "actor/reward_kl_penalty"),
        R.ENTROPY: ("actor/entropy", "actor/entropy_loss"),
        R.LOSS: ("actor/pg_loss",),
        R.GRAD: ("actor/grad_norm",),
        R.REWARD: ("critic/rewards/mean", "critic/score/mean"),
        R.ADVANTAGE_MAX: ("critic/advantages/max",),
        R.ADVANTAGE_MIN: ("critic/advantages/min",),
        R.LENGTH: ("response_length/mean",),
        R.ENGINE_GAP: ("training/rollout_probs_diff_mean",),
        R.ENGINE_MEAN: ("rollout_corr/rollout_is_mean",),
        R.ENGINE_MIN: ("rollout_corr/rollout_is_min",),
        R.MEASURE: ("val-core/*", "val/test_score/*"),
    },
    notes={
        "actor/pg_clipfrac": SIDE + "; with loss_mode cispo outside the band whatever the advantage, with clip_cov"
        " dropped by covariance, with dppo masked",
        "actor/pg_clipfrac_lower": "the dual clip, not the lower bound; a constant 0 with gspo and cispo",
        "actor/entropy_loss": "the entropy itself: higher is more random",
        "actor/ppo_kl": "mean of log(old / new); about 0 ± rounding of a second pass where the policy has not moved",
        "response_length/clip_ratio": "answers cut off at the length limit; nothing to do with the clip",
        "training/rollout_probs_diff_mean": "of probabilities, not of their logarithms",
        "actor/grad_norm": "before it is cut at grad_clip",
    },
    marks=("actor/pg_clipfrac", "actor/ppo_kl", "critic/score/mean", "critic/rewards/mean", "pg_clipfrac_*"),
    switch_on={
        R.CLIP: "actor/pg_clipfrac, logged by default except with loss_mode gpg",
        R.CLIP_HIGH: "not available in verl: pg_clipfrac pools both sides; clip one side only in a second run",
        R.ENTROPY: "actor/entropy, logged by default except in bypass_mode (older: actor.entropy_coeff above 0)",
        R.RATIO: "not available in verl; actor/ppo_kl is the mean log-ratio",
        R.KL_REF: "actor_rollout_ref.actor.use_kl_loss=True",
        R.ENGINE_GAP: "actor_rollout_ref.rollout.calculate_log_probs=True",
        R.ZERO_STD: "not available in verl; critic/advantages/{max,min} = 0 shows steps without any signal",
    },
)
EASYR1 = Framework(
    name="easyr1",
    title="EasyR1",
    more_updates="worker.actor.global_batch_size below data.rollout_batch_size",
    line="rollout",
    names={
        R.TRUNCATED: ("response_length/clip_ratio",),
        R.CLIP: ("actor/pg_clipfrac_higher",),
        R.DUAL: ("actor/pg_clipfrac_lower",),
        R.KL_OLD: ("actor/ppo_kl",),
        R.KL_REF: ("actor/kl_loss",),
        R.ENTROPY: ("actor/entropy_loss",),
        R.LOSS: ("actor/pg_loss",),
        R.GRAD: ("actor/grad_norm",),
        R.REWARD: ("reward/overall", "critic/rewards/mean", "critic/score/mean"),
        R.ADVANTAGE_MAX: ("critic/advantages/max",),
        R.ADVANTAGE_MIN: ("critic/advantages/min",),
        R.LENGTH: ("response_length/mean",),
        R.MEASURE: ("val/*_reward", "val/reward_score"),
    },
    notes={
        "actor/pg_clipfrac_higher": "both sides pooled, whatever its name says",
        "actor/pg_clipfrac_lower": "the dual clip, not the lower bound",
        "actor/entropy_loss": "mean −log p of the sampled tokens: an estimate of the entropy",
    },
    marks=(*VERL.marks, "actor/pg_clipfrac_higher", "reward/overall"),
    switch_on={
        R.CLIP: "actor/pg_clipfrac_higher, logged by default except with cispo and sapo",
        R.CLIP_HIGH: "not available in EasyR1: pg_clipfrac_higher pools both sides",
        R.KL_REF: "algorithm.use_kl_loss=true",
        R.RATIO: "not available in EasyR1; actor/ppo_kl is the mean log-ratio",
    },
)
OPENRLHF = Framework(
    name="openrlhf",
    title="OpenRLHF",
    more_updates="train.batch_size below rollout.batch_size times n_samples_per_prompt, or max_epochs above 1",
    line="rollout",
    names={
        R.TRUNCATED: ("rollout/truncated_rate", "truncated_rate"),
        R.CLIP: ("ppo_clip_ratio",),
        R.KL_OLD: ("ppo_kl",),
        R.KL_REF: ("kl",),
        R.ENTROPY: ("entropy_loss",),
        R.LOSS: ("policy_loss", "act_loss"),
        R.GRAD: ("actor_grad_norm",),
        R.REWARD_STD: ("rollout/reward_std",),
        R.REWARD: ("reward", "rollout/reward_mean"),
        R.LENGTH: ("response_length", "rollout/response_length"),
        R.ENGINE_GAP: ("vllm_kl",),
        R.MEASURE: ("eval/*pass1", "eval/*pass*"),
    },
    notes={"ppo_clip_ratio": SIDE},
    marks=("ppo_clip_ratio", "act_loss", "actor_grad_norm", "rollout/truncated_rate"),
    switch_on={
        R.CLIP: "train/ppo_clip_ratio, in W&B or TensorBoard (use_wandb, use_tensorboard), not on the console",
        R.CLIP_HIGH: "not available in OpenRLHF: ppo_clip_ratio pools both sides",
        R.ENTROPY: "actor.entropy_coef=0 (given at all, the entropy is logged)",
        R.RATIO: "not available in OpenRLHF; train/ppo_kl is the mean log-ratio",
        R.ENGINE_GAP: "vllm.enable_is_correction (logs vllm_kl)",
        R.ZERO_STD: "not available in OpenRLHF; algo.dynamic_filtering_enable drops such groups",
    },
)
OPEN_INSTRUCT = Framework(
    name="open-instruct",
    title="open-instruct",
    more_updates="--num_mini_batches or --num_epochs above 1",
    own_ratio=True,
    line="rollout",
    names={
        R.CLIP: ("policy/clipfrac_avg",),
        R.RATIO: ("val/ratio",),
        R.ENTROPY: ("policy/entropy_avg",),
        R.KL_OLD: ("policy/approxkl_avg",),
        R.KL_REF: ("objective/kl_avg", "objective/kl2_avg"),
        R.LOSS: ("loss/policy_avg", "loss/total_avg"),
        R.REWARD: ("scores", "objective/verifiable_correct_rate", "objective/verifiable_reward"),
        R.ENGINE_MEAN: ("val/rho_mean",),
        R.LENGTH: ("val/sequence_lengths",),
        R.TRUNCATED: ("val/truncated_rate", "val/length_clip_frac"),
        R.MEASURE: ("eval/scores", "eval/objective/verifiable_correct_rate"),
    },
    notes={"policy/clipfrac_avg": SIDE + "; tokens dropped by rho are not counted"},
    marks=(
        "objective/verifiable_correct_rate",
        "val/sequence_lengths",
        "val/rho_mean",
        "loss/policy_avg",
        "val/ratio_var",
    ),
    switch_on={
        R.CLIP_HIGH: "not available in open-instruct: clipfrac_avg pools both sides",
        R.ENTROPY: "--record_entropy",
    },
)
SKYRL = Framework(
    name="skyrl",
    title="SkyRL",
    more_updates="trainer.policy_mini_batch_size below trainer.train_batch_size",
    line="rollout",
    names={
        R.CLIP: ("policy/loss_metrics/clip_ratio", "policy/ppo_clip_ratio"),
        R.ENTROPY: ("policy/policy_entropy",),
        R.KL_REF: ("policy/policy_kl",),
        R.LOSS: ("policy/policy_loss",),
        R.GRAD: ("policy/raw_grad_norm", "policy/grad_norm"),
        R.REWARD: ("reward/avg_raw_reward", "reward/avg_pass_at_*"),
        R.ENGINE_GAP: ("policy/rollout_train_logprobs_abs_diff_mean", "policy/rollout_train_logprobs_abs_diff_*"),
        R.LENGTH: ("generate/avg_num_tokens",),
        R.MEASURE: ("eval/all/avg_score", "eval/all/pass_at_*"),
    },
    notes={
        "policy/loss_metrics/clip_ratio": SIDE + "; with cispo and rollout_is outside the band whatever the advantage"
    },
    marks=("policy/loss_metrics/*", "policy/policy_entropy", "policy/rollout_train_logprobs_abs_diff_*"),
    switch_on={
        R.CLIP_HIGH: "not available in SkyRL: clip_ratio pools both sides",
        R.KL_REF: "trainer.algorithm.use_kl_loss=true",
        R.DUAL: "not available in SkyRL",
    },
)
SLIME = Framework(
    name="slime",
    title="slime",
    more_updates="--num-steps-per-rollout above 1",
    own_ratio=True,
    line="update",
    names={
        R.CLIP: ("train/pg_clipfrac",),
        R.KL_OLD: ("train/ppo_kl",),
        R.KL_REF: ("train/kl_loss",),
        R.ENTROPY: ("train/entropy_loss",),
        R.LOSS: ("train/pg_loss", "train/loss"),
        R.GRAD: ("train/grad_norm",),
        R.ENGINE_GAP: ("train/train_rollout_logprob_abs_diff",),
        R.REWARD: ("rollout/raw_reward", "rollout/rewards"),
        R.TRUNCATED: ("rollout/truncated", "rollout/truncated_ratio"),
        R.LENGTH: ("rollout/response_lengths", "rollout/response_len/mean"),
        R.ZERO_STD: ("rollout/zero_std/*",),
        R.MEASURE: ("eval/*",),
    },
    notes={
        "train/pg_clipfrac": SIDE,
        "train/entropy_loss": "the entropy itself: higher is more random",
        "train/ppo_kl": "0 on-policy where log-probabilities are reused; else what a second pass makes of them",
    },
    marks=("train/train_rollout_logprob_abs_diff", "train/pg_clipfrac", "train/ppo_kl", "train/entropy_loss"),
    switch_on={
        R.CLIP_HIGH: "not available in slime: pg_clipfrac pools both sides",
        R.KL_REF: "--use-kl-loss",
        R.ENGINE_MEAN: "--use-tis",
    },
)
NEMO_RL = Framework(
    name="nemo-rl",
    title="NeMo-RL",
    more_updates="policy.train_global_batch_size below prompts times generations",
    line="rollout",
    names={
        R.RATIO: ("probs_ratio",),
        R.RATIO_MIN: ("probs_ratio_min",),
        R.RATIO_MAX: ("probs_ratio_max",),
        R.RATIO_BOUNDED_MAX: ("probs_ratio_clamped_max",),
        R.ENTROPY: ("approx_entropy",),
        R.KL_REF: ("kl_penalty",),
        R.LOSS: ("loss",),
        R.GRAD: ("grad_norm",),
        R.REWARD: ("reward",),
        R.ADVANTAGE_MAX: ("advantages/max",),
        R.ADVANTAGE_MIN: ("advantages/min",),
        R.ENGINE_GAP: ("gen_kl_error",),
        R.ENGINE_MEAN: ("sampling_importance_ratio",),
        R.LENGTH: ("mean_gen_tokens_per_sample",),
        R.MEASURE: ("validation/accuracy", "accuracy"),
    },
    notes={
        "probs_ratio_max": "above probs_ratio_clamped_max: a ratio went over the upper bound; by how many tokens is not"
        " logged, nor whether their advantage let the clip act",
        "approx_entropy": "mean −log p of sampled tokens, weighted: an estimate of the entropy",
    },
    marks=("probs_ratio*", "approx_entropy", "gen_kl_error", "token_mult_prob_error", "sampling_importance_ratio"),
    switch_on={
        R.CLIP: "not available in NeMo-RL: compare probs_ratio_max with probs_ratio_clamped_max",
        R.CLIP_HIGH: "not available in NeMo-RL",
    },
)
AREAL = Framework(
    name="areal",
    title="AReaL",
    more_updates="actor.ppo_n_minibatches above 1",
    line="rollout",
    names={
        R.CLIP: ("*clip_ratio/avg", "*actor/clip_ratio", "clip_ratio"),
        R.DUAL: ("*dual_clip_ratio/avg", "*dual_clip_ratio"),
        R.RATIO: ("*importance_weight/avg",),
        R.RATIO_MIN: ("*importance_weight/min",),
        R.RATIO_MAX: ("*importance_weight/max",),
        R.KL_OLD: ("*approx_kl/avg", "*approx_kl"),
        R.ENTROPY: ("*entropy/avg",),
        R.GRAD: ("*grad_norm",),
        R.REWARD: ("*task_reward/avg", "*final_reward/avg"),
        R.ADVANTAGE_MAX: ("*advantages/max",),
        R.ADVANTAGE_MIN: ("*advantages/min",),
        R.TRUNCATED: ("*no_eos_ratios/avg", "*seq_no_eos_mask/avg"),
        R.LENGTH: ("*seq_len/avg",),
    },
    notes={"*clip_ratio/avg": SIDE, "*importance_weight/avg": "against the sampler's weights unless recompute_logprob"},
    marks=("*importance_weight/*", "*dual_clip_ratio*", "*behave_imp_weight*", "*clip_ratio/avg"),
    switch_on={
        R.CLIP_HIGH: "not available in AReaL: clip_ratio pools both sides",
        R.ENGINE_MEAN: "actor.use_decoupled_loss=true (logs behave_imp_weight)",
    },
)
ROLL = Framework(
    name="roll",
    title="ROLL",
    more_updates="ppo_epochs above 1, or gradient_accumulation_steps lower",
    own_ratio=True,
    line="rollout",
    names={
        R.OUTSIDE_LOW: ("actor/ppo_ratio_low_clipfrac*",),
        R.OUTSIDE_HIGH: ("actor/ppo_ratio_high_clipfrac*",),
        R.CLIP: ("actor/ppo_ratio_clipfrac*", "actor/clipfrac*"),
        R.RATIO: ("actor/ratio_mean*",),
        R.RATIO_MIN: ("actor/ratio_min*",),
        R.RATIO_MAX: ("actor/ratio_max*",),
        R.KL_OLD: ("actor/approxkl*", "approx/kl"),
        R.KL_REF: ("actor/kl_loss*",),
        R.ENTROPY: ("actor/entropy_loss*", "critic/entropy/mean"),
        R.LOSS: ("actor/pg_loss*",),
        R.GRAD: ("actor/total_norm", "actor/grad_norm"),
        R.REWARD: ("critic/score/mean", "critic/rewards/mean"),
        R.ADVANTAGE_MAX: ("critic/advantages/max",),
        R.ADVANTAGE_MIN: ("critic/advantages/min",),
        R.LENGTH: ("tokens/response_length/mean",),
    },
    notes={
        "actor/ppo_ratio_low_clipfrac*": "outside the band whatever the advantage: not what the clip removed",
        "actor/ppo_ratio_high_clipfrac*": "outside the band whatever the advantage: not what the clip removed",
        "actor/ppo_ratio_clipfrac*": "outside the band whatever the advantage: not what the clip removed",
    },
    marks=("actor/ppo_ratio_*", "tokens/response_length/*"),
    switch_on={
        R.CLIP: "not available in ROLL: only the share outside the band",
        R.ENTROPY: "entropy_loss_coef above 0",
    },
)
RLINF = Framework(
    name="rlinf",
    title="RLinf",
    more_updates="algorithm.n_minibatches above 1",
    line="rollout",
    names={
        R.CLIP: ("actor/clip_fraction", "actor/policy_clipfrac"),
        R.DUAL: ("actor/dual_cliped_ratio",),
        R.RATIO: ("actor/ratio",),
        R.KL_OLD: ("actor/approx_kl", "actor/ppo_kl"),
        R.ENTROPY: ("actor/entropy_loss", "actor/entropy"),
        R.LOSS: ("actor/policy_loss",),
        R.GRAD: ("actor/grad_norm",),
        R.REWARD: ("env/return", "rollout/rewards"),
        R.MEASURE: ("env/success_once", "eval/*"),
        R.ADVANTAGE_MAX: ("rollout/advantages_max",),
        R.ADVANTAGE_MIN: ("rollout/advantages_min",),
    },
    notes={
        "actor/clip_fraction": SIDE,
        "actor/grad_norm": "before it is cut: a large value does not say that cutting failed",
    },
    marks=("*actor/clip_fraction", "*actor/dual_cliped_ratio", "env/success_once", "train/actor/*", "env/return"),
    switch_on={
        R.CLIP: "actor/clip_fraction, logged by default: take the whole log",
        R.CLIP_HIGH: "not available in RLinf: clip_fraction pools both sides",
        R.ENTROPY: "algorithm.calculate_entropy: true",
        R.RATIO: "actor/ratio, logged by default: take the whole log",
    },
)
PRIME_RL = Framework(
    name="prime-rl",
    title="prime-rl",
    line="update",
    no_ratio_clip=True,
    names={
        R.ENTROPY: ("entropy/all/mean", "entropy/mean"),
        R.ENGINE_GAP: ("mismatch_kl/all/mean", "mismatch_kl/mean"),
        R.MASKED: ("is_masked/all/mean", "is_masked/mean", "is_masked"),
        R.LOSS: ("loss/mean", "loss/all/mean"),
        R.GRAD: ("optim/grad_norm",),
        R.REWARD: ("reward/all/mean", "reward/mean"),
        R.LENGTH: ("seq_len/all/mean", "completion_len/all/mean"),
        R.TRUNCATED: ("is_truncated/all/mean",),
    },
    notes={"is_masked/all/mean": "masked by the difference of probabilities to the sampler; there is no ratio clip"},
    marks=("mismatch_kl/*", "is_masked*", "entropy/all/*"),
    switch_on={
        R.CLIP: "not available in prime-rl: it masks by probability difference (is_masked) and has no ratio clip"
    },
)
TINKER = Framework(
    name="tinker",
    title="Tinker cookbook",
    line="rollout",
    names={
        R.ENGINE_GAP: ("optim/kl_sample_train_v1", "optim/kl_sample_train_v2"),
        R.ENTROPY: ("optim/entropy",),
        R.REWARD: ("env/all/reward/total",),
        R.LENGTH: ("env/all/ac_tokens_per_turn",),
        R.MEASURE: ("test/env/all/reward/total",),
    },
    notes={"optim/entropy": "mean −log p of sampled tokens: an estimate of the entropy"},
    marks=("optim/kl_sample_train*", "env/all/*"),
    switch_on={
        R.CLIP: "not available in the cookbook: per-token log-probabilities come back to the script, count them there",
        R.ZERO_STD: "env/all/by_group/frac_mixed, logged by default",
    },
)
TORCHTUNE = Framework(
    name="torchtune",
    title="torchtune",
    line="update",
    names={
        R.RATIO: ("ratios",),
        R.CLIP: ("clipfrac", "clipfracs"),
        R.KL_OLD: ("approx_policy_kls",),
        R.KL_REF: ("kl_loss",),
        R.LOSS: ("policy_loss", "loss"),
        R.GRAD: ("grad_norm",),
        R.REWARD: ("rewards",),
        R.MEASURE: ("successes",),
        R.LENGTH: ("response_lengths",),
    },
    notes={"ratios": "a constant 1 for GRPOSimpleLoss and the linear loss", "clipfrac": "a constant 0 for the same"},
    constants=("ratios", "clipfrac", "clipfracs"),
    marks=("ratios", "clipfracs", "approx_policy_kls", "successes"),
    switch_on={R.CLIP: "GRPOLoss in the place of GRPOSimpleLoss", R.ENTROPY: "not available in torchtune"},
)
OURS = Framework(
    name="clipbias",
    title="clipbias",
    line="rollout",
    names={
        R.ENTROPY: ("token_entropy",),
        R.MEASURE: ("accuracy",),
        R.LENGTH: ("length",),
        R.KL_OLD: ("phase_kl",),
        R.CLIP_LOW: ("clip_low",),
        R.CLIP_HIGH: ("clip_high",),
    },
    marks=("first_token_entropy", "rollout_share"),
)
OTHER = Framework(
    name="other",
    title="an unknown framework",
    line="update",
    names={
        R.TRUNCATED: ("*response_length/clip_ratio", "*clipped_ratio", "*truncat*"),
        R.CLIP_LOW: ("*clip*low*",),
        R.CLIP_HIGH: ("*clip*high*",),
        R.DUAL: ("*dual_clip*",),
        R.CLIP: ("*clipfrac*", "*clip_frac*", "*clip_ratio*", "*frac_clipped*"),
        R.RATIO_MIN: ("*ratio_min", "*ratio/min"),
        R.RATIO_MAX: ("*ratio_max", "*ratio/max"),
        R.RATIO_DISTANCE: ("mean_abs_ratio_minus_1", "*abs_ratio*"),
        R.RATIO: ("ratio", "*/ratio", "*ratio_mean", "*ratio/mean", "*importance_weight"),
        R.ENTROPY_COEF: ("*entropy_coef*",),
        R.ENTROPY: ("*entropy*",),
        R.KL_OLD: ("*approx_kl*", "*approxkl*", "*ppo_kl*"),
        R.KL_REF: ("kl", "*/kl", "*kl_loss*", "*ref_kl*"),
        R.GRAD: ("*grad_norm*",),
        R.ZERO_STD: ("*zero_std*",),
        R.REWARD_STD: ("*reward_std*", "*reward*/std"),
        R.ADVANTAGE_MAX: ("*advantage*max*",),
        R.ADVANTAGE_MIN: ("*advantage*min*",),
        R.MEASURE: ("rewards/*/mean", "*accuracy*", "*pass@*", "*success*"),
        R.REWARD: ("reward", "*/reward", "*reward*mean", "*mean_reward", "*/return", "rewards", "*/score", "score"),
        R.ENGINE_GAP: ("*logprob*diff*", "*logp_diff*"),
        R.LENGTH: ("*length*mean", "*mean_length", "*completion_length", "*response_length"),
        R.LOSS: ("loss", "*/loss", "*policy_loss", "*pg_loss"),
    },
    switch_on={R.CLIP: "log the share of tokens beyond each bound, with the sign of their advantage"},
)
FRAMEWORKS = (
    TRL, SWIFT, UNSLOTH, TRL_PPO, VERL, EASYR1, OPENRLHF, OPEN_INSTRUCT, SKYRL, SLIME, NEMO_RL, AREAL, ROLL, RLINF,
    PRIME_RL, TINKER, TORCHTUNE, OURS, OTHER,
)  # fmt: skip
BY_NAME = {framework.name: framework for framework in FRAMEWORKS}


def recognised(names: set[str]) -> Framework:
    """The one with most marks among these names; `OTHER` where there are none. Of equals the first."""

    def count(framework: Framework) -> int:
        return sum(any(matches(name, mark) for mark in framework.marks) for name in names)

    best = max(FRAMEWORKS, key=count)
    return best if count(best) else OTHER


def meanings_of(names: list[str], framework: Framework) -> dict[str, Meaning]:
    """By the framework; what it has no name for among these, by what such names mean elsewhere."""
    found = {name: meaning for name in names if (meaning := framework.meaning(name))}
    known = {meaning.role for meaning in found.values()}
    for name in names:
        meaning = OTHER.meaning(name)
        if name not in found and meaning is not None and meaning.role not in known:
            found[name] = meaning
    return found
