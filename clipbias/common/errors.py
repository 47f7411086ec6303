"""The package's one form of complaint about what a user gave: the field, what it allows, and what it got."""

from numbers import Integral
from typing import Final

_NOT_SHOWN: Final = object()


class InputError(ValueError):
    """What the user gave (a number, a recipe, a folder, a model) cannot be used: «field must be allowed, got given».

    field: the name of the argument, or the dotted key in a file. allowed: a range, or what it should be, in words that
    follow "must be". given: left out where `allowed` already says what was found. verb: where it is not "be".
    """

    def __init__(self, field: str, allowed: str, given: object = _NOT_SHOWN, *, verb: str = "be") -> None:
        shown = "" if given is _NOT_SHOWN else f", got {given!r}" if isinstance(given, str) else f", got {given}"
        super().__init__(field, f"{verb} {allowed}", shown)

    @property
    def field(self) -> str:
        return str(self.args[0])

    @property
    def rule(self) -> str:
        """The message without the field, for a command line that knows the field by another name."""
        return f"must {self.args[1]}{self.args[2]}"

    def __str__(self) -> str:
        return f"{self.field} {self.rule}"

    def within(self, place: str) -> "InputError":
        """The same complaint about a field of something larger: `place` goes before its name."""
        return _restored(place + self.field, *self.args[1:])

    def __reduce__(self) -> tuple[object, ...]:  # workers send their complaints to the process that shows them
        return _restored, self.args


def _restored(field: str, allowed: str, shown: str) -> InputError:
    error = InputError(field, allowed)
    error.args = (field, allowed, shown)
    return error


def check(holds: bool, field: str, allowed: str, given: object) -> None:
    """Raise `InputError` unless `holds`."""
    if not holds:
        raise InputError(field, allowed, given)


def check_whole(value: object, field: str, least: int | None = None) -> None:
    """Raise `InputError` unless `value` is a whole number (True is none), of at least `least` where that is given."""
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise InputError(field, "a whole number", value)
    check(least is None or int(value) >= least, field, f"at least {least}", value)
