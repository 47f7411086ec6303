"""How many seeds show an effect: the power of Student's test on the differences of paired arms."""

import math

from scipy.special import nctdtr, stdtrit

from clipbias.common.errors import check, check_whole

LEVEL = 0.05  # of the test, two-sided
WANTED = 0.8  # power
MOST_SEEDS = 1_000_000
_ONE_SIDED = 8.0  # Φ(−8) = 6e-16: the other tail is lost in rounding
_CERTAIN = 40.0


def paired_power(effect: float, std: float, seeds: int, level: float = LEVEL) -> float:
    """P(|t| > t_c) = 1 − F(t_c) + F(−t_c) for t = d̄/(s/√n), n = `seeds` differences d ~ N(effect, std²).

    F: the noncentral t law with n − 1 degrees of freedom and δ = √n·|effect|/std; t_c: the (1 − level/2) quantile of
    Student's. effect and std > 0 (of one difference; the test estimates it) in one unit, whatever it is. Exact for
    normal differences (Johnson, Welch 1940, Biometrika 31, 362, doi:10.1093/biomet/31.3-4.362): 1e-12 by quadrature.
    F(−t_c) ≤ Φ(−δ) is left out where that is below rounding.
    """
    check_whole(seeds, "seeds", 2)
    check(math.isfinite(effect), "effect", "finite", effect)
    check(0.0 < std < math.inf, "std", "positive and finite", std)
    check(0.0 < level < 1.0, "level", "in (0, 1)", level)
    degrees, shift = seeds - 1, math.sqrt(seeds) * abs(effect) / std
    critical = float(stdtrit(degrees, 1 - level / 2))
    if shift > _CERTAIN + critical:
        return 1.0
    wrong_side = float(nctdtr(degrees, shift, -critical)) if shift < _ONE_SIDED else 0.0
    return 1.0 - float(nctdtr(degrees, shift, critical)) + wrong_side


def seeds_needed(effect: float, std: float, power: float = WANTED, level: float = LEVEL) -> int:
    """The fewest paired seeds, at least 2, at which `paired_power` reaches `power`; effect ≠ 0, found by bisection
    since power grows with seeds. InputError above MOST_SEEDS."""
    check(math.isfinite(effect) and effect != 0.0, "effect", "finite and other than 0", effect)
    check(0.0 < power < 1.0, "power", "in (0, 1)", power)

    def shows(seeds: int) -> bool:
        return paired_power(effect, std, seeds, level) >= power

    few, enough = 1, 2
    while not shows(enough):
        few, enough = enough, 2 * enough
        check(enough <= MOST_SEEDS, "effect", f"large enough for {MOST_SEEDS} seeds (spread {std:.3g})", effect)
    while enough - few > 1:
        middle = (few + enough) // 2
        few, enough = (few, middle) if shows(middle) else (middle, enough)
    return enough
