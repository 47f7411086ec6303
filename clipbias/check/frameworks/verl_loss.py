"""verl's losses: the bounds of each loss_mode, the keys that it does not look at, and what else removes tokens."""

import math

from clipbias.check.settings import Settings
from clipbias.check.setup import Gate, Ignored, Loss

ACTOR = "actor_rollout_ref.actor."
CORRECTION = "algorithm.rollout_correction."
LOW, HIGH, DUAL = f"{ACTOR}clip_ratio_low", f"{ACTOR}clip_ratio_high", f"{ACTOR}clip_ratio_c"
MASKED = ("dppo_tv", "dppo_kl")
UNBOUNDED = ("sapo", "gpg", "kl_cov", "dro", "reinforce")
MODES = ("vanilla", "bypass_mode", "gspo", "clip_cov", "geo_mean", "cispo", *MASKED, *UNBOUNDED[:-1])
OWN_KEYS = {  # keys that one loss mode reads, and no other
    "policy_loss.clip_cov_ratio": "clip_cov",
    "policy_loss.clip_cov_lb": "clip_cov",
    "policy_loss.clip_cov_ub": "clip_cov",
    "policy_loss.kl_cov_ratio": "kl_cov",
    "policy_loss.ppo_kl_coef": "kl_cov",
    "policy_loss.dro_beta": "dro",
    "tau_pos": "sapo",
    "tau_neg": "sapo",
}


def loss_of(given: Settings, mode: str) -> tuple[Loss, list[Ignored]]:
    """The bounds of each loss_mode (core_algos), and keys that it does not look at."""
    if given.older_than("0.4.0", "2025-04-04"):
        both = given.number(f"{ACTOR}clip_ratio", default=0.2)
        newer = [Ignored(key=key, value=given.raw(key), why="came on 2025-04-04") for key in _written(given, LOW, HIGH)]
        written = f"clip_ratio {both:g}: 1 ∓ {both:g}"
        return Loss(name="vanilla", lower=1 - both, upper=1 + both, keys=(written,)), newer
    low, high, names, ignored = _increments(given)
    dual = given.number(DUAL, default=3.0) if mode in ("vanilla", "bypass_mode", *MASKED) else None
    if mode in UNBOUNDED:
        for key in _written(given, LOW, HIGH):
            ignored.append(Ignored(key=key, value=given.raw(key), why=f"loss_mode {mode} has no bounds on the ratio"))
    if dual is None:
        for key in _written(given, DUAL):
            ignored.append(Ignored(key=key, value=given.raw(key), why=f"loss_mode {mode} has no dual clip"))
    for name, owner in OWN_KEYS.items():
        for key in _written(given, f"{ACTOR}{name}"):
            if mode != owner:
                ignored.append(Ignored(key=key, value=given.raw(key), why=f"read by loss_mode {owner} alone"))
    if mode == "geo_mean":
        logs = (f"{names[0]} {low:g} is of log R: exp(−{low:g})", f"{names[1]} {high:g}: exp({high:g})")
        return Loss(name=mode, lower=math.exp(-low), upper=math.exp(high), keys=logs), ignored
    if mode in MASKED:
        return Loss(name=mode, kind="mask"), ignored
    if mode in UNBOUNDED:
        return Loss(name=mode, kind="soft" if mode == "sapo" else "none"), ignored
    keys = [f"{names[0]} {low:g}: 1 − {low:g}", f"{names[1]} {high:g}: 1 + {high:g}"]
    if dual is not None:
        keys.append(f"clip_ratio_c {dual:g} is absolute")
    return Loss(
        name=mode,
        kind="weight" if mode == "cispo" else "clip",
        level="sequence" if mode == "gspo" else "token",
        lower=1 - low,
        upper=1 + high,
        dual=dual,
        keys=tuple(keys),
    ), ignored


def _written(given: Settings, *keys: str) -> list[str]:
    return [key for key in keys if given.given(key)]


def _increments(given: Settings) -> tuple[float, float, tuple[str, str], list[Ignored]]:
    """clip_ratio stands in for a side that is null, and for no other: both sides have the default 0.2."""
    both = f"{ACTOR}clip_ratio"
    found, names = [], []
    for key in (LOW, HIGH):
        null = given.given(key) and given.optional(key) is None
        found.append(given.number(both, default=0.2) if null else given.number(key, default=0.2))
        names.append("clip_ratio" if null else key.removeprefix(ACTOR))
    ignored = []
    if given.given(both) and "clip_ratio" not in names:
        why = "clip_ratio_low and clip_ratio_high, both 0.2 where not set, stand in its place since 2025-04-04"
        ignored.append(Ignored(key=both, value=given.raw(both), why=why))
    return found[0], found[1], (names[0], names[1]), ignored


def gates_of(given: Settings, mode: str, bypass: bool) -> tuple[tuple[Gate, ...], list[Ignored]]:
    found, ignored = [], []
    if mode in MASKED:
        of = "probability" if mode == "dppo_tv" else "KL of its probability"
        low, high, _, _ = _increments(given)
        cap = given.number(DUAL, default=3.0)
        what = (
            f"tokens whose {of} moved by more than {low:g} down or {high:g} up with their advantage lose their gradient"
        )
        found.append(Gate(name="DPPO mask", key=f"loss_mode={mode}", what=what))
        found.append(Gate(name="weight cap", key="clip_ratio_c", what=f"the detached weight is cut off at {cap:g}"))
    if mode == "clip_cov":
        share = given.number(f"{ACTOR}policy_loss.clip_cov_ratio", default=0.0002)
        what = f"a random share {share:g} of tokens with high covariance of advantage and log π loses its gradient"
        found.append(Gate(name="covariance clip", key="clip_cov_ratio", what=what))
    if mode == "kl_cov":
        share = given.number(f"{ACTOR}policy_loss.kl_cov_ratio", default=0.0002)
        what = f"the share {share:g} of tokens with the highest covariance gets a KL penalty"
        found.append(Gate(name="covariance penalty", key="kl_cov_ratio", what=what))
    for name, what in (
        ("rollout_is", "weights by the ratio to the engine, cut off at rollout_is_threshold"),
        ("rollout_rs", "answers or tokens too far from the engine's probabilities are left out"),
    ):
        key = f"{CORRECTION}{name}"
        value = given.raw(key, f"algorithm.{name}")
        if value is None or str(value).lower() in ("null", "none", "false", ""):
            continue
        # Since 0.9 the v1 trainer computes both in decoupled mode alone, and loss_mode bypass_mode in the loss
        if bypass and mode != "bypass_mode":
            why = "with bypass_mode the ratio is already taken to the engine, and no weight or mask is computed"
            ignored.append(Ignored(key=key, value=value, why=why))
        else:
            found.append(Gate(name="rollout correction", key=f"{name}={value}", what=what))
    cap_before = given.optional(f"{ACTOR}tis_imp_ratio_cap")
    if cap_before is not None and cap_before > 0:
        what = f"weights by the ratio to the engine, cut off at {cap_before:g} (0.5 and 0.6)"
        found.append(Gate(name="TIS", key="tis_imp_ratio_cap", what=what))
    if given.flag("algorithm.filter_groups.enable", default=False):
        found.append(
            Gate(name="dynamic sampling", key="filter_groups", what="groups of equal rewards are sampled anew")
        )
    if given.flag("algorithm.use_pf_ppo", default=False):
        found.append(Gate(name="PF-PPO", key="use_pf_ppo", what="samples are drawn anew by the size of their reward"))
    return tuple(found), ignored
