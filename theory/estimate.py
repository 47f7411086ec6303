"""A number never travels without its standard error, which is 0 where the number is exact."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from clipbias.common.arrays import Array


@dataclass(frozen=True, slots=True)
class Estimate:
    """value and its standard error, two arrays of one shape (0-dimensional for a single number)."""

    value: Array
    stderr: Array

    @classmethod
    def exact(cls, value: ArrayLike) -> Self:
        """A value without error but that of the calculation, which its docstring states."""
        array = np.asarray(value, dtype=np.float64)
        return cls(array, np.zeros_like(array))

    def __getitem__(self, at: int | slice) -> "Estimate":
        """An entry, or some of them, with their errors."""
        return Estimate(np.asarray(self.value[at]), np.asarray(self.stderr[at]))

    def shifted(self, by: ArrayLike) -> "Estimate":
        """The same estimate of value + by, by without error."""
        return Estimate(self.value + np.asarray(by, dtype=np.float64), self.stderr)

    def __str__(self) -> str:
        """0.02586 ± 0.0003; several with commas between."""
        pairs = zip(np.ravel(self.value).tolist(), np.ravel(self.stderr).tolist(), strict=True)
        return ", ".join(f"{value:.4g} ± {error:.1g}" if error > 0 else f"{value:.4g}" for value, error in pairs)
