"""The sentences of an audit, by code. Numbers come in braces; what stands in ⟨⟩ is left out where one of its
numbers was not logged. {name} has three digits, {name_percent} is a share as a percentage."""

import re

from .diagnose.finding import Evidence, Finding, Gap

_CHANGE = "from {first} to {last}⟨ (fitted change {change}, standard error {stderr})⟩ over {points} points"
_WANDERING = ". What only wanders does so too: a placebo would tell."
SENTENCES = {
    # the clip
    "clip-never-by-construction": "The clip never acted, by construction: {why_text}. What entropy or reward do here"
    " is not the clip's doing.",
    "clip-never-as-logged": "No clipped token was logged in {lines} lines of {series}⟨, although each rollout gets"
    " {steps} optimizer steps: the ratios stay inside the bounds, which are wider than these steps; an absolute"
    " bound (1.2) in a key that wants an increment (0.2) looks like this⟩.",
    "clip-acted-high": "The clip acted, mostly on the upper side: {high_percent} of tokens above the upper bound,"
    " {low_percent} below the lower. Rare answers lose more by that than frequent ones, which lowers entropy.",
    "clip-acted-low": "The clip acted, mostly on the lower side: {low_percent} of tokens below the lower bound,"
    " {high_percent} above the upper. Rare answers gain by that, which raises entropy.",
    "clip-acted-both": "The clip acted on both sides alike: {high_percent} of tokens above the upper bound,"
    " {low_percent} below the lower.",
    "clip-acted-pooled": "The clip acted: {share_percent} by {series}, which pools both sides.",
    "ratios-outside": "{share_percent} of ratios were outside the bounds⟨ ({low_percent} below,"
    " {high_percent} above)⟩, whatever their advantage: the clip acted"
    " on a part of them that was not logged.",
    "clip-at-noise": "A share of {share} is about what rounding of a second forward pass can make: it may hold no"
    " update. Bounds far too wide look the same: an absolute one (1.2) in a key that wants an increment (0.2).",
    "clip-by-noise": "These {share_percent} were clipped although each rollout gets one optimizer step: the ratio"
    " moves by rounding of a second pass, or by the sampler's probabilities, not by updates.",
    "clip-extreme": "{share_percent} clipped is more than a trust region would: the bound may be in the wrong unit"
    " (a sequence-level bound such as 3e-4 on tokens, say).",
    "clip-constant": "{series} is written as a constant 0 whatever happens: it does not say whether a clip acted,"
    " and the loss that writes it has none.",
    "clip-uninformative": "The zeros of {series} carry no information about the clip: nothing was learned, so"
    " nothing could move.",
    "clip-rounded": "The zeros of {series} are rounded: each may be as large as {below}.",
    "clip-scales": "The arms clip at very different rates ({largest} and {least}); losses that clip sequences and"
    " tokens count on different scales.",
    "bound-crossed": "A ratio of {largest} went over the bound of {bound} in {crossed} of {lines} lines; the share"
    " is not logged.",
    "no-ratio-clip": "{framework} has no ratio clip: it masks tokens by the gap to the sampler⟨, {masked_percent} of"
    " them⟩.",
    "no-bounds": "This arm has no clip, by its recipe.",
    "weights-capped": "Weights were capped on {share_percent} of tokens: scaled down, never removed.",
    "weights-never-capped": "No weight was capped in {lines} lines.",
    "capped-at-ratio-one": "{first_percent} of tokens are capped in the first line already, where ratios are about"
    " 1: the cap is below 1, an increment where an absolute bound belongs.",
    # steps
    "steps-per-rollout": "{steps} optimizer step(s) on each rollout: {why_text}.",
    "steps-unknown": "The log does not show how many optimizer steps a rollout gets: {why_text}.",
    # signal
    "no-learning-signal": "No learning signal in any of {lines} lines: {why}⟨; mean reward {reward}⟩.",
    "degenerate-groups": "{share_percent} of groups have one reward for all answers, and teach nothing.",
    "steps-without-signal": "{idle} of {lines} lines have no learning signal.",
    "signal-ended": "Nothing is left to learn from step {since} on: {why}.",
    "truncation": "{share_percent} of answers were cut off at the length limit ({late_percent} late in the log) by"
    " {series}⟨; mean length up to {length}⟩. This is truncation, not the clip of the ratio.",
    # faults
    "numerical-fault": "The training broke: {first} is no number from step {step} on ({series})⟨; step {last_sound}"
    " is the last that is sound, and nothing after it is used⟩.",
    "numbers-missing": "{values} values of {series} are no numbers; the training went on.",
    # entropy
    "entropy-falls": f"Entropy fell {_CHANGE}{_WANDERING}",
    "entropy-falls-with-clip": f"Entropy fell {_CHANGE}, while the clip acted⟨, {{agrees}}⟩{_WANDERING}",
    "entropy-falls-without-clip": f"Entropy fell {_CHANGE} without any clipping{_WANDERING}",
    "entropy-rises": f"Entropy rose {_CHANGE}{_WANDERING}",
    "entropy-rises-with-clip": f"Entropy rose {_CHANGE}, while the clip acted⟨, {{agrees}}⟩{_WANDERING}",
    "entropy-rises-without-clip": f"Entropy rose {_CHANGE} without any clipping{_WANDERING}",
    "entropy-flat": "Entropy did not change by a tenth: {first} to {last} over {points} points.",
    "entropy-noise": "Nothing was learned, so the differences in entropy ({first} to {last}) are those of different"
    " samples.",
    "entropy-bonus": "An entropy bonus of coefficient {coefficient} pushes entropy up: no change of entropy is the"
    " clip's alone.",
    # reward, policy, engine
    "reward-rises": f"{{series}} rose {_CHANGE}{_WANDERING}",
    "reward-falls": f"{{series}} fell {_CHANGE}{_WANDERING}",
    "reward-flat": "{series} did not change by a tenth: {first} to {last} over {points} points.",
    "policy-moved": "The policy moved far within a rollout: {series} {mean} on average, {largest} at most.",
    "recomputation-noise": "{series} is {mean} where the policy cannot have moved since the rollout: a second"
    " forward pass that disagrees with the first.",
    "noise-floor": "Without any update the ratio is off 1 by up to {largest_percent}⟨, {mean_percent} on average⟩:"
    " the noise floor of this set-up.",
    "ratio-moves": "The ratio is {first} in the first mini-batch, the noise floor, and up to {largest_percent} away"
    " later: it drifts with the number of updates.",
    "gradient-before-cut": "{series} reaches {largest}; it is logged before it is cut, so this does not say that"
    " cutting failed.",
    "engine-drops": "The correction for the sampler drops sequences: least weight 0, mean {mean}⟨; a gap of {gap}"
    " nats on {length} tokens is a product of {product}⟩.",
    "engine-gap": "Trainer and sampler differ by {gap} nats a token ({series}).",
    # the log itself
    "rounded": "Numbers are rounded to {decimals} decimals: a zero is anything below {below}, the learning rate"
    " included.",
    "read-in-part": "{bytes} bytes in the middle of the file were not read.",
    "single-line": "One line: no change over time can be told.",
    "old-metric": "An older trainer's log: {series} is its only clip series, with both sides pooled.",
    "arms-identical": "{first} and {second} are the same to the last bit: whatever differs between them had no effect.",
    # placebo
    "pairs-repeated": "{distinct} of {pairs} pairs are distinct: the others repeat a run to the last bit, which is no"
    " further seed, and are left out.",
    "gain-over-placebo": "{measure} ends {difference} above the placebo, 95 % interval [{low}, {high}] over {n}"
    " {over}.",
    "loss-under-placebo": "{measure} ends {difference} from the placebo, below it: 95 % interval [{low}, {high}]"
    " over {n} {over}.",
    "gain-unclear": "{measure} ends {difference} from the placebo, 95 % interval [{low}, {high}] over {n} {over}: no"
    " difference is shown.",
}
WHY = {
    "recipe": "the recipe says so",
    "batches": "{epochs} pass(es) over {batch} in mini-batches of {mini_batch}",
    "numbered": "{minibatches} mini-batches in {epochs} epochs (the log shows {seen})",
    "all fresh": "all {lines} lines describe new answers, so no step was taken on old ones",
    "some fresh": "{fresh} of {lines} lines describe new answers, and the others are further steps on old ones",
    "divergence exactly 0": "the divergence from the rollout's policy is exactly 0 in all {lines} lines, so the"
    " ratio is identically 1",
    "ratios exactly 1": "least and largest ratio are exactly 1 in all {lines} lines",
    "mean ratio exactly 1": "the mean ratio is exactly 1 in all {lines} lines",
    "steady": "the divergence from the rollout's policy does not grow from line to line",
    "back to 0": "the divergence from the rollout's policy comes back to 0 at that period",
    "averages": "each line averages {apart} steps",
    "irregular": "{fresh} of {lines} lines describe new answers, at no regular distance",
    "clipped although fresh": "every line describes new answers and yet tokens were clipped, so lines are averages",
}
GAPS = {
    "clip-without-signal": (
        "anything about clipping",
        "nothing was learned, so no ratio could move for a reason",
    ),
    "clip-effect": ("what clipping would do", "it had nothing to act on here"),
    "clip-missing": ("whether the clip acted", "no clipped share is in the log"),
    "share-from-means": ("the share beyond a bound", "only means of the ratio are in the log"),
    "side-missing": ("which side was clipped", "the series pools both"),
    "clip-cause": ("what the clip did to the outcome", "there is no arm without it"),
    "clip-inert": (
        "whether the clip is inert or only did not act",
        "the steps per rollout are not known",
    ),
    "arms": ("what the arms' difference does", "their numbers are the same"),
    "steps-missing": ("optimizer steps per rollout", "the lines do not tell"),
    "entropy-missing": ("whether entropy fell", "entropy is not in the log"),
    "entropy-cause-clip": (
        "whether the clip moved entropy",
        "the two go together, as they also would if learning moved both",
    ),
    "entropy-cause": (
        "why entropy moved",
        "a reward that sharpens, a KL term and an entropy bonus all can",
    ),
    "too-few-points": ("a trend of entropy", "the log has {points} of its values"),
    "groups-missing": ("how many groups taught nothing", "no series counts them"),
    "drift": ("how far the policy drifted", "the divergence in the log is rounding of a second pass"),
    "which-dropped": ("which sequences were dropped", "only weights' averages are in the log"),
    "rounded-values": ("anything about values near 0", "they are rounded away, the learning rate included"),
    "scales": ("which loss is more constrained in effect", "their shares count different things"),
    "gain": ("how much of the gain is the reward", "there is no placebo"),
    "unpaired": (
        "a gain over the placebo",
        "no run of the {logs} has the seed of one of the {placebos} placebo runs in its name",
    ),
    "one-seed": ("what another seed would do", "one pair of runs"),
    "gain-from-one-pair": ("a gain over the placebo", "one pair of runs has no error"),
    "measure-missing": (
        "a gain over the placebo",
        "no score is measured in both: the reward of one is not the reward of the other",
    ),
}


def say(finding: Finding) -> str:
    """The finding's sentence."""
    evidence = dict(finding.evidence)
    if isinstance(why := evidence.get("why"), str) and why in WHY:
        evidence["why_text"] = _filled(WHY[why], evidence)
    return _filled(SENTENCES[finding.code], evidence)


def gap_words(gap: Gap) -> tuple[str, str]:
    """What, and why."""
    what, why = GAPS[gap.code]
    return what, _filled(why, gap.evidence)


def _filled(sentence: str, evidence: Evidence) -> str:
    """Left-out parts first, then numbers."""
    known = {key: value for key, value in evidence.items() if value is not None}
    texts = {key: _shown(value) for key, value in known.items()}
    texts |= {f"{key}_percent": _percent(value) for key, value in known.items() if isinstance(value, float | int)}

    def part(match: re.Match[str]) -> str:
        return match[1] if all(field in texts for field in re.findall(r"\{(\w+)\}", match[1])) else ""

    kept = re.sub(r"⟨([^⟨⟩]*)⟩", part, sentence)
    return re.sub(r"\{(\w+)\}", lambda field: texts[field[1]], kept)


def _shown(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:,}" if isinstance(value, int) else f"{value:.4g}"


def _percent(value: float) -> str:
    return f"{100 * value:.3g} %"
