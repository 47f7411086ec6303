"""How a model answers the problems that it was never trained on, in each style of prompt."""

import pyarrow as pa

from clipbias.validate.model.sampling import sample_answers
from clipbias.validate.model.subject import Subject
from clipbias.validate.tasks.problems import is_boxed, says


def evaluate(
    subject: Subject, styles: tuple[str, ...], samples: int, max_completion_length: int, seed: int
) -> pa.Table:
    """One row an answer: `samples` answers to each held-out problem at temperature 1, by style, problem and sample."""
    rows, model = [], subject.model.eval()
    for style in styles:
        problems = subject.held_out[style]
        prompts = tuple(problem.prompt for problem in problems)
        answers = sample_answers(
            model, subject.tokenizer, prompts, samples, max_completion_length, seed, batch=subject.batch
        )
        for i, (problem, texts) in enumerate(zip(problems, answers, strict=True)):
            for j, text in enumerate(texts):
                rows.append(
                    {
                        "style": style,
                        "problem": i,
                        "sample": j,
                        "uses_strategy": subject.strategy_of(text),
                        "correct": says(text, problem.answer),
                        "boxed": is_boxed(text, problem.answer),
                        "text": text,
                    }
                )
    return pa.Table.from_pylist(rows)
