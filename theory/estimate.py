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


def share_estimate(hits: ArrayLike, count: int) -> Estimate:
    """A probability from `hits` out of `count` replicates; stderr = √(p(1−p)/n).

    Where none or all hit, p in it is (hits + 1)/(n + 2): 0 would say that there is no sampling error.
    """
    found = np.asarray(hits, dtype=np.float64)
    likely = np.where((found == 0) | (found == count), (found + 1) / (count + 2), found / count)
    return Estimate(found / count, np.sqrt(likely * (1 - likely) / count))
