"""How a model answers the problems that it was never trained on, in each style of prompt."""

from typing import Any

import numpy as np
import pyarrow as pa

from clipbias.validate.model.sampling import sample_answers
from clipbias.validate.model.subject import Subject
from clipbias.validate.tasks.problems import is_boxed, read_answer


def evaluate(
    subject: Subject, styles: tuple[str, ...], samples: int, max_completion_length: int, seed: int
) -> list[dict[str, Any]]:
    """One row an answer: `samples` answers to each held-out problem at temperature 1, by style, problem and sample."""
    rows, model = [], subject.model.eval()
    for style in styles:
        problems = subject.held_out[style]
        prompts = tuple(problem.prompt for problem in problems)
        answers = sample_answers(model, subject.tokenizer, prompts, samples, max_completion_length, seed)
        for i, (problem, texts) in enumerate(zip(problems, answers, strict=True)):
            for j, text in enumerate(texts):
                rows.append(
                    {
                        "style": style,
                        "problem": i,
                        "sample": j,
                        "uses_strategy": subject.strategy_of(text),
                        "correct": read_answer(text) == problem.answer,
                        "boxed": is_boxed(text),
                        "text": text,
                    }
                )
    return rows


def rates(table: pa.Table, style: str) -> dict[str, float]:
    """Shares of a style's answers: with the strategy, right, boxed; and right and boxed with and without it (NaN where
    there are none)."""
    rows = table.filter(pa.compute.equal(table["style"], style))
    with_strategy, correct, boxed = (rows[name].to_numpy() for name in ("uses_strategy", "correct", "boxed"))

    def mean(of: Any) -> float:
        return float(np.mean(of)) if len(of) else float("nan")

    return {
        "share": mean(with_strategy),
        "accuracy": mean(correct),
        "boxed": mean(boxed),
        "accuracy_with": mean(correct[with_strategy]),
        "accuracy_without": mean(correct[~with_strategy]),
        "boxed_with": mean(boxed[with_strategy]),
        "boxed_without": mean(boxed[~with_strategy]),
        "answers": len(correct),
    }
