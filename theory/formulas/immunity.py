"""T7: outcomes too likely for clip-high to reach."""

from clipbias.theory.surrogate import PpoClip


def immune_above(clip: PpoClip) -> float:
    """1/(1+ε_h): a sample of old probability b ≥ this has no clip-high event, since R = π/b ≤ 1/b ≤ 1+ε_h.

    0.8333 at ε_h = 0.2, 0.78125 at 0.28, 0 with clip-high off (T7; the 0.85 example of arXiv:2506.10947).
    """
    return 1.0 / clip.upper_bound
