"""A prediction cannot know its outcome: a question holds none, and stays the same whatever was published."""

from dataclasses import fields, is_dataclass, replace

import pytest

from clipbias.common.errors import InputError
from clipbias.common.tables import parse_toml
from clipbias.published import entry as module
from clipbias.published.entry import Entry, Question, read_entries
from clipbias.published.figure import Figure
from clipbias.published.record import Record, read_record
from clipbias.published.signs import Push
from clipbias.published.verdict import Outcome


@pytest.fixture(scope="module")
def record() -> Record:
    return read_record()


@pytest.fixture(scope="module")
def entries(record: Record) -> tuple[Entry, ...]:
    return read_entries(record)


def parts(question: object) -> list[type]:
    """The types of all that a question is made of."""
    found = [type(question)]
    if is_dataclass(question):
        for field in fields(question):
            found += parts(getattr(question, field.name))
    elif isinstance(question, tuple):
        found += [kind for part in question for kind in parts(part)]
    return found


def test_no_question_has_room_for_an_outcome(entries: tuple[Entry, ...]) -> None:
    for entry in entries:
        assert not {Entry, Figure, Outcome, Record} & set(parts(entry.question)), entry.id


def test_questions_stay_the_same_whatever_was_published(record: Record, entries: tuple[Entry, ...]) -> None:
    """Every published outcome in turn is replaced by another value, with all that was computed from it."""
    asked = {entry.id: entry.question for entry in entries}
    by_outcome: dict[str, list[str]] = {}
    for entry in entries:
        if not entry.id.startswith("recipe."):
            by_outcome.setdefault(entry.figure.id, []).append(entry.id)
    assert len(by_outcome) > 100
    for outcome, names in by_outcome.items():
        later = [f for f in record.figures if outcome in record.ancestors(f)]
        other = {f: replace(record.figures[f], value=record.figures[f].value + 0.1) for f in [outcome, *later]}
        changed = {entry.id: entry for entry in read_entries(replace(record, figures=record.figures | other))}
        for name in names:
            assert changed[name].question == asked[name], name
            assert changed[name].figure.value != record.figures[outcome].value


def test_a_question_that_holds_its_outcome_is_refused(record: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    """The outcome itself, and what was computed from it."""
    for figure, given in (("base.math-7b", "base.math-7b"), ("base.math-7b", "with-language-mended.math-7b")):
        table = (
            f'[fragment]\n[[entry]]\nid = "own"\ngroup = "g"\nclaim = "c"\nfigure = "{figure}"\n'
            f'ask = "one-strategy"\ngiven = {{ accuracy = "{given}", problems = 500 }}\n'
        )
        monkeypatch.setattr(module, "_tables", lambda table=table: parse_toml(table, "own"))
        with pytest.raises(InputError, match="without its own outcome"):
            read_entries(record)
        monkeypatch.undo()


def test_no_number_of_ours_is_an_outcome_in_disguise(entries: tuple[Entry, ...]) -> None:
    """A figure's value typed into its own question would not be caught by name."""
    for entry in entries:
        if entry.figure.unit != "sign":
            ours = {value for _, value in entry.assumed}
            assert not ours & {entry.figure.value, entry.figure.plain}, entry.id


def test_signs_of_a_clip_do_not_depend_on_the_spread_that_we_assume(entries: tuple[Entry, ...]) -> None:
    asked = [entry.question for entry in entries if isinstance(entry.question, Push)]
    pushes = [push for push in asked if push.ratio_std >= 0.05]  # a claim of hardly any spread is another question
    assert len(pushes) > 4
    for push in pushes:
        assert {replace(push, ratio_std=std).predict().sign for std in (0.05, 0.075, 0.1, 0.125, 0.15)} == {
            push.predict().sign
        }


def test_there_are_enough_of_them(entries: tuple[Entry, ...]) -> None:
    asked = [entry for entry in entries if entry.question is not None]
    assert len(asked) >= 60
    assert len({entry.figure.work for entry in asked}) >= 10
    assert all((entry.question is None) == (entry.out_of_scope is not None) for entry in entries)
    assert all(isinstance(entry.question, Question) for entry in asked)


def test_what_was_known_when_is_told(entries: tuple[Entry, ...]) -> None:
    named = {entry.id: entry.basis for entry in entries}
    assert named["forced.math-7b"] == "before"
    assert named["moved.150.random"] == "same run"
    assert named["share.random.150"] == "other run"


def test_every_published_figure_that_is_a_result_has_an_entry(record: Record, entries: tuple[Entry, ...]) -> None:
    """Line by line: of what was measured after training, or claimed, nothing was left out."""
    asked = {entry.figure.id for entry in entries}
    results = {f.id for f in record.figures.values() if f.when in ("after", "claim")}
    of_other_models = {f for f in results if f.startswith(("part.total.", "part.math-1-5b.", "part.qwen-7b."))}
    assert results - asked == of_other_models  # their counts were not published; which part is largest is asked
