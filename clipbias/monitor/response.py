"""How the entropy answers to the push on it: one slope, from the phases so far.

To first order a natural gradient changes the entropy by ΔH = η·x, x = −mean of Âf′R·(log π + H) over a mini-batch's
tokens, summed over steps with their learning rates (T10). η is measured, as T12 measures an observable's response:
least squares through the origin of the observed changes on x. Advantages of random rewards are exogenous; under others
the slope is a description and no cause.
"""

from collections import deque

from .band import REMEMBERED


class Response:
    """Of one observable; the last `REMEMBERED` phases."""

    def __init__(self) -> None:
        self._past: deque[tuple[float, float]] = deque(maxlen=REMEMBERED)

    @property
    def slope(self) -> float:
        """Σxy/Σx²; 0 where nothing has been seen."""
        return sum(x * y for x, y in self._past) / self._square if self._square > 0 else 0.0

    def leverage(self, force: float) -> float:
        """x²/Σx²: the variance that the slope's own error gives to a prediction, over that of one change."""
        return force**2 / self._square if self._square > 0 else 0.0

    @property
    def _square(self) -> float:
        return sum(x * x for x, _ in self._past)

    def add(self, force: float, change: float) -> None:
        self._past.append((force, change))
