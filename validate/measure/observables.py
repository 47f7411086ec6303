"""What is foretold and measured of a model besides its strategy's share: as conditions on the text of an answer."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from clipbias.simulate.tangent.reading import Observable
from clipbias.validate.tasks.problems import Problem, is_boxed, says

NAMES = (
    "share", "right", "right_with", "right_without", "boxed", "boxed_with", "boxed_without", "finished", "length",
)  # fmt: skip


def observables(
    texts: Sequence[str],
    problems: Sequence[Problem],
    tokens: Tensor,
    finished: Sequence[bool],
    strategy_of: Callable[[str], bool],
) -> list[Observable]:
    """Of answers, in the order of NAMES: the strategy's share; right, and boxed, over all, with the strategy and
    without it; finished, all as log-odds; and length in tokens. problems: of each answer."""
    asked = [(text, problem.answer) for text, problem in zip(texts, problems, strict=True)]
    right = torch.tensor([float(says(text, answer)) for text, answer in asked])
    used = torch.tensor([float(strategy_of(text)) for text in texts])
    boxed = torch.tensor([float(is_boxed(text, answer)) for text, answer in asked])
    every = torch.ones(len(texts))
    return [
        Observable("share", used, every),
        Observable("right", right, every),
        Observable("right_with", right, used),
        Observable("right_without", right, every - used),
        Observable("boxed", boxed, every),
        Observable("boxed_with", boxed, used),
        Observable("boxed_without", boxed, every - used),
        Observable("finished", torch.tensor(finished, dtype=torch.float32), every),
        Observable("length", tokens.float(), every, log_odds=False),
    ]
