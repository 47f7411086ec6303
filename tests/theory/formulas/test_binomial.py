import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, qmc

from clipbias.theory.formulas.binomial import binomial_pmf
from clipbias.theory.laws.paths import LARGEST_OUTCOMES


@settings(max_examples=300)
@given(
    trials=st.integers(0, 4096),
    prob=st.one_of(st.sampled_from([0.0, 1.0, 0.5, 1e-300, 1 - 2**-53]), st.floats(1e-300, 1.0)),
)
def test_it_is_scipys_to_the_last_bit(trials: int, prob: float) -> None:
    k = np.arange(trials + 1)
    assert binomial_pmf(k, trials, prob).tobytes() == binom.pmf(k, trials, prob).tobytes()


def test_it_is_scipys_over_arrays_of_trials() -> None:
    trials, k = (grid.ravel() for grid in np.meshgrid(np.arange(130), np.arange(130), indexing="ij"))
    trials, k = trials[k <= trials], k[k <= trials]
    for prob in (0.0, 1.0, 1e-12, 0.3, *np.random.default_rng(0).random(20)):
        assert binomial_pmf(k, trials, prob).tobytes() == binom.pmf(k, trials, prob).tobytes()


@pytest.mark.parametrize("prob", [5e-324, 1e-310, 3e-308, 1e-305, 9e-301])
def test_where_scipys_overflows_nothing_happens(prob: float) -> None:
    assert binomial_pmf(np.arange(129), 128, prob).tolist() == [1.0] + [0.0] * 128


def test_the_most_outcomes_are_what_sobols_sequence_takes() -> None:
    assert LARGEST_OUTCOMES == (qmc.Sobol.MAXDIM - 1) // 2


def test_theory_loads_nothing_slow() -> None:
    """What `clipbias theory phase` and `evolve` need, without what takes longer to load than they to compute."""
    slow = ("scipy.stats", "scipy.optimize", "scipy.signal", "numba", "torch", "matplotlib", "rich")
    program = (
        "import sys, clipbias.theory.formulas.noise, clipbias.theory.laws.evolve, clipbias.theory.laws.paths\n"
        f"print([name for name in {slow} if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
