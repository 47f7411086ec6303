"""The suite's questions: which arm answers which, and which findings of each the report's first page shows."""

from dataclasses import dataclass

from clipbias.validate.recipe.arm import PLAIN
from clipbias.validate.store.run_record import RunRecord

from .finding import Finding, Kind, Untrained

REWARDS = "rewards"  # the recipe that runs on every organism
WITH_PYTHON = ("python", "format-not-python", "truth-not-python", "incorrect-not-python")
_BY_RECIPE = {"gamma": "b", "clip": "c", "again": "c", "matched": "c", "bounds": "c", "prompts": "k"}
_BY_STYLE = {PLAIN: "j", "story": "j", "python": "f"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """Findings of these kinds, of these arms (all if None); of untrained organisms this rate alone (all if None)."""

    kinds: tuple[Kind, ...]
    arms: tuple[str, ...] | None = None
    rates: tuple[str, ...] | None = None

    def covers(self, line: Finding) -> bool:
        rate = line.details.rate if isinstance(line.details, Untrained) else None
        return (
            line.kind in self.kinds
            and (self.arms is None or line.arm in self.arms)
            and (self.rates is None or rate is None or rate in self.rates)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """shown: what the first page shows of it; all of its findings where that covers none."""

    letter: str
    text: str
    shown: tuple[Shown, ...] = ()


QUESTIONS = (
    Question(
        letter="a",
        text="Which rewards move the strategy, and accuracy with it?",
        shown=(Shown(kinds=("share", "accuracy"), arms=("ground-truth", "format", "random")),),
    ),
    Question(
        letter="b",
        text="Does it matter how often a random reward pays?",
        shown=(Shown(kinds=("share", "weights")),),
    ),
    Question(
        letter="c",
        text="What do the clip, its removal and other bounds do under random rewards?",
        shown=(Shown(kinds=("difference",), arms=("clip", "high-only", "low-only")),),
    ),
    Question(
        letter="d",
        text="Does mini-batch 2 predict what the clip meets, and do tokens grow surer?",
        shown=(Shown(kinds=("token probability", "clip low", "clip high", "push"), arms=("clip",)),),
    ),
    Question(
        letter="e",
        text="Does accuracy follow the strategy, and who brings the gain?",
        shown=(Shown(kinds=("slope",)),),
    ),
    Question(
        letter="f",
        text="Can a strategy be induced by a prompt or a reward, and inhibited?",
        shown=(
            Shown(kinds=("share",), arms=WITH_PYTHON[:3]),
            Shown(kinds=("untrained",), rates=("share",)),
        ),
    ),
    Question(letter="g", text="Does a reward against repetition remove the habit?"),
    Question(letter="h", text="What is it in incorrect rewards that teaches?"),
    Question(
        letter="i",
        text="Do random rewards teach because most rewarded answers are right?",
        shown=(Shown(kinds=("credit", "praise"), arms=("random",)),),
    ),
    Question(
        letter="j",
        text="Does the strategy survive other numbers, and the problem told as a story?",
        shown=(Shown(kinds=("untrained",), rates=("share",)),),
    ),
    Question(
        letter="k",
        text="What do prompts, spurious ones included, do before and under training?",
        shown=(Shown(kinds=("share", "accuracy", "untrained"), rates=("share", "accuracy")),),
    ),
    Question(letter="l", text="Does what works on one organism work on another?"),
)


def recipe_of(run: RunRecord) -> str:
    """The recipe's name in the suite's plan, whose experiments are called recipe-organism."""
    return run.name.removesuffix(f"-{run.organism}")


def arm_letter(run: RunRecord, arm: str) -> str:
    """The question that an arm's share and accuracy answer."""
    if recipe_of(run) != REWARDS:
        return _BY_RECIPE.get(recipe_of(run), "a")
    if arm in WITH_PYTHON:
        return "f"
    return "g" if arm == "no-repetition" and run.organism == "repetition" else "a"


def style_letter(style: str) -> str:
    """The question that an untrained organism answers when it is asked in a style."""
    return _BY_STYLE.get(style, "k")
