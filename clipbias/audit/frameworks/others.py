"""Those without a ratio clip or with constants in its place, our own runs, and names as anybody writes them."""

from ..log import Role
from .framework import Framework

R = Role
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
        R.MIXED: ("env/all/by_group/frac_mixed",),
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
    constants=("ratios", "clipfrac", "clipfracs", "approx_policy_kls"),
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
    switch_on={
        R.CLIP: "log the share of tokens beyond each bound, with the sign of their advantage",
        R.ENGINE_MIN: "answers with the weight of each",
        R.MEASURE: "an evaluation by the true reward in both runs, beside the reward",
    },
)
