"""How many answers fit, and that the largest batch is not the best where it is no faster."""

import pytest

from clipbias.common.errors import InputError
from clipbias.validate.model.batch import fastest, fitting
from clipbias.validate.model.memory import answer_bytes
from clipbias.validate.model.size import ModelSize
from gguf_files import Made, model

SIZE = ModelSize(parameters=10**6, vocabulary=1000, layers=2, width=64, inner=128, key_values=32)


def test_as_many_answers_as_fit() -> None:
    one = answer_bytes(SIZE, 100, 400)
    # keys and values of 500 tokens in two layers, one layer's work on 100, four copies of the scores, four bytes each
    assert one == 4 * (500 * 2 * 32 + 100 * (2 * 64 + 3 * 128) + 4 * 1000)
    assert fitting(SIZE, 100, 400, 10 * one) == 8  # a fifth is left
    assert fitting(SIZE, 100, 400, 10**12) == 1024
    with pytest.raises(InputError, match="memory must be free for one answer of 400 tokens"):
        fitting(SIZE, 100, 400, one)


@pytest.mark.parametrize(("most", "expected"), [(1, 1), (3, 2), (64, 16)])
def test_a_batch_grows_while_that_is_worth_it(most: int, expected: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tokens a second as on a machine that is busy with 16: speed grows to there."""
    monkeypatch.setattr(
        "clipbias.validate.model.batch._seconds", lambda model, tokenizer, batch: max(batch, 16) / 16 * 0.1
    )
    made = model(Made(architecture="llama", tied=True))
    assert fastest(made, None, most) == expected  # type: ignore[arg-type]
