"""Does a text say the same thing over and over?"""

from dataclasses import dataclass

import numpy as np

from .boxes import LOOKED_AT

MAX_LENGTH = 256


@dataclass(frozen=True, slots=True)
class Repetition:
    """Some substring of min_length … 256 characters stands min_repeats times or more in a row.

    The defaults are those of the released code of arXiv:2506.10947 (its text says "more than 10 times").
    """

    min_length: int = 10
    min_repeats: int = 10

    def found_in(self, text: str) -> bool:
        """Only the last 100,000 characters are looked at; time O(256 · characters).

        A substring of p characters stands k times in a row from i on ⇔ text[j] = text[j + p] for the p·(k − 1)
        characters j = i, i + 1, …: a run of equalities, for each p.
        """
        tail = text[-LOOKED_AT:]
        codes = np.frombuffer(tail.encode("utf-32-le", "surrogatepass"), np.uint32)
        for p in range(self.min_length, min(MAX_LENGTH, len(codes) // self.min_repeats) + 1):
            unequal = np.flatnonzero(codes[p:] != codes[:-p])
            ends = np.concatenate(([-1], unequal, [len(codes) - p]))
            if np.diff(ends).max() > p * (self.min_repeats - 1):
                return True
        return False
