"""Closed forms: one equation, one function; NumPy and SciPy only.

1. `advantage` T1, the law of group-normalised advantages under a random reward.
2. `surrogate` the clip; `drift` T2, what it does on average; `covariance` T3, the noise of one step.
3. `kernel` one step's law for two outcomes, `phase` T4, `evolve` T10.
4. `neutral` T6 and `immunity` T7, rare and likely outcomes; `noise` and `momentum` T8, what is not clipping.

Left out: rewards that depend on the outcome, more than two outcomes over whole phases (Monte Carlo in `simulate` has
any number), Adam's normalisation (`noise` says what it breaks).
"""
