"""The part of the page on rival accounts, the run that would decide between them, and what noise alone would show."""

from collections.abc import Iterable

from clipbias.theory.formulas.power import WANTED

from .answer import Answer
from .chance import Chance
from .deciding import RECIPE
from .headline import FEW_SEEDS, Design
from .rivals import Seen, may_be_noise
from .verdict import LEVEL, NOISE_SUFFICES
from .words import UNITS, WAYS, chance, number, table

LEAST_SHOWN = 1e-4


def rivals(answer: Answer) -> list[str]:
    found, minibatches = answer.rivals, answer.record.figure("set-up.minibatches").value
    rows = [
        [row.letter, row.what, *row.expects, "; ".join(_seen(one) for one in row.seen) or "nothing yet"]
        for row in found.rows
    ]
    standings = [
        [
            standing.account,
            ", ".join(standing.apart) or "is the clip",
            _listed(standing.speaks_for),
            _listed(standing.speaks_against),
        ]
        for standing in found.standings
    ]
    return [
        "## Rival accounts",
        "*Clip*: the bounds move the share of code, and the share carries the accuracy. *Noise*: seeds stray, and the"
        " one that was shown strayed up. *Contamination*: any training brings back answers that the model has seen."
        " *Prompt format*: training mends what a bad prompt had spoilt. *Skill within strategies*: answers get better"
        " at the strategy they had. *Shorter steps*: what the clip does is to keep training from breaking, whichever"
        " side does it.",
        "What each account expects is our reading, open to dispute: + above 0, 0 no change, ? either. What was seen is"
        f" computed: a difference counts as none within the rules' margin, the readings, or {LEVEL:.0%} of what"
        f" counting answers shows; and as perhaps noise where one seed of noise alone shows as much with a chance of"
        f" {NOISE_SUFFICES:.0%} or more.",
        table(["", "measurement", *found.accounts, "seen"], rows),
        "What speaks for and against each account, by the letters of the measurements; what is perhaps noise is left"
        " out. The accounts do not exclude each other: several may hold at once.",
        table(["account", "differs from the clip in", "for it", "against it"], standings),
        f"Arms with one update on a rollout made one where the others made {minibatches:.0f}. So that nothing happened"
        " there is held against no account that needs many updates.",
    ]


def _listed(seen: Iterable[tuple[str, Seen]]) -> str:
    return ", ".join(f"{letter}: {_value(one)}" for letter, one in seen) or "nothing"


def _seen(seen: Seen) -> str:
    less = "" if seen.pair.less is None else f" less `{seen.pair.less}`"
    told = "perhaps noise" if may_be_noise(seen) else {1: "+", 0: "0", -1: "−"}[seen.sign]
    return f"`{seen.pair.figure}`{less}: {_value(seen)} ({told})"


def _value(seen: Seen) -> str:
    if seen.unit == "sign":
        return WAYS[seen.sign]
    return f"{'+' if seen.value > 0 else ''}{number(seen.value, seen.unit)}{UNITS[seen.unit]}"


def deciding(answer: Answer) -> list[str]:
    run, best = answer.deciding, answer.deciding.design
    telling = "; ".join(f"{row.letter}, {row.what}" for row in answer.rivals.telling)
    heads = ["arms", "steps", "activation", "difference, log-odds", "its spread", "seeds", f"power with {FEW_SEEDS}"]
    hours = run.hours * best.seeds * len(run.arms)
    return [
        "## The run that would decide",
        f"The clip stands alone against all rivals in {telling}. Seeds are those that a paired test needs for a"
        f" power of {WANTED:.0%} if the clip is what moves the share; the others expect no difference. The activation"
        " is first the one that the published share needs, then the one that was reported. The arms' seeds are taken as"
        " independent, so that arms that move together need fewer.",
        table(heads, map(_design, answer.headline.designs)),
        f"The single run: random rewards, {best.arms}, {best.steps} steps, {best.seeds} seeds in each arm. Both arms"
        " have a clip and as many updates; they differ in which side it cuts. If the clip made the published share,"
        f" they part; if they do not, the clip did not make it, and {1 - WANTED:.0%} is the chance of having missed it."
        f" For a clip that acts as seldom as reported {run.reported_seeds} seeds are needed; but such a clip is not"
        " expected to raise the share.",
        "Its plan, by counting and not run:",
        table(
            ["what", "plan"],
            [
                ["recipe", f"`clipbias/published/record/{RECIPE}`, arms {' and '.join(run.arms)}"],
                ["machine", f"{run.gpus} × {run.gpu}"],
                ["memory of each", f"{run.memory / 1e9:.0f} GB beside the engine's cache"],
                ["answers", f"{run.tokens:,.0f} tokens in the mean, assumed"],
                ["a phase", f"{run.phase:.0f} s"],
                ["an arm and seed", f"{run.hours:.0f} h"],
                ["all", f"{hours:.0f} h, {hours * run.gpus:,.0f} GPU-hours"],
                ["`clipbias check` of the first arm", run.says],
            ],
        ),
        table(
            ["seeds in each arm", "power", "GPU-hours"],
            [[str(p.seeds), f"{p.power:.0%}", f"{p.gpu_hours:,.0f}"] for p in run.powers],
        ),
        f"    clipbias validate plan clipbias/published/record/{RECIPE} --gpus {run.gpus}",
        "`clipbias check grpo.yaml --control one-sided` writes the two arms for a configuration of one's own. On a"
        " small organism whose clip was made to act the two arms parted as foretold ([log](results/LOG.md)); whether"
        " they do on a large model nobody has shown.",
    ]


def _design(design: Design) -> list[str]:
    return [
        design.arms,
        str(design.steps),
        f"{design.activation:.2%}",
        f"{design.effect:+.2f}",
        f"{design.std:.2f}",
        str(design.seeds),
        f"{design.power:.0%}",
    ]


def seeds(answer: Answer) -> list[str]:
    effects: dict[str, list[Chance]] = {}
    for one in answer.chances:
        effects.setdefault(one.entry, []).append(one)
    enough = sum(found[0].suffices for found in effects.values())  # the fewest seeds come first
    rows = [
        [
            f"{found[0].claim} (`{entry}`)",
            _effect(found[0]),
            " or ".join(str(one.seeds) for one in found),
            " or ".join(chance(one.probability) for one in found),
        ]
        for entry, found in effects.items()
    ]
    pattern = answer.pattern
    quiet = [[f"{row.slower:g}", _percent(row.activation), chance(row.probability)] for row in answer.quiet]
    return [
        "## Seeds: what noise alone would show",
        "The papers give one to three seeds, mostly without saying how many. Below is the chance that the mean of so"
        " many seeds is at least as far from no change, on the same side, where neither clip nor reward acts: the"
        " policy walks at the step that the reported activation gives, accuracy follows the share, and answers are"
        f" counted. From {NOISE_SUFFICES:.0%} on noise alone may have made it: {enough} of {len(effects)} effects, with"
        " the fewest seeds that may stand behind them. A small chance rules out this noise; it does not say what made"
        " the effect.",
        table(["effect", "points", "seeds", "chance"], rows),
        "### Is that noise real?",
        "In two arms with one update on a rollout theory expects nothing but noise, and hardly any was seen: both"
        " shares ended where they began. The chance that noise leaves both as near:",
        table(["step, of that at the reported activation", "activation it would have", "chance"], quiet),
        "This cuts both ways. If steps are so small that it is no wonder, noise made far less than the table above"
        " gives it; but then the clip of the choice of strategy never acts either, and it is not the clip that made the"
        " share rise. Both would be otherwise if tokens that decide spread more than the share of code, which is a mean"
        " over problems, does.",
        "### All arms together",
        f"Of {pattern.clipped} arms under random rewards with a clip that acts {pattern.clipped_rose} gained beyond"
        f" counting, of {pattern.unclipped} without one {pattern.unclipped_rose or 'none'}. If the clip made no"
        f" difference, so clean a division has a chance of {chance(pattern.probability)}, whatever the noise is. Two of"
        " the arms without a clip also made fewer updates, and another work reports gains without a clip"
        " (`chen.gain-without-clip`).",
    ]


def _percent(value: float) -> str:
    return f"{value:.2%}" if value >= LEAST_SHOWN else f"below {LEAST_SHOWN:.2%}"


def _effect(one: Chance) -> str:
    if one.unit == "sign":
        return "every seed rises" if one.effect > 0 else "seeds go apart"
    return f"{100 * one.effect if one.unit == 'fraction' else one.effect:+.1f}"
