"""Trainers beside engines of their own: OpenRLHF, open-instruct, SkyRL, slime, NeMo-RL, AReaL."""

from ..log import Role
from .framework import SIDE, Framework

R = Role
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
