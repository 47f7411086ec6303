"""Closed forms: one equation, one function; NumPy and SciPy only.

1. `advantage` T1, the law of group-normalised advantages under a random reward; `continuous`, `whitening` its variants.
2. `surrogate` what is maximised, as a gate; `drift` T2, what it does on average; `covariance` T3, the noise of a step.
3. Two outcomes: `phase` T4 by `kernel`, on a `lattice` or as `atoms`; `evolve` T10, many phases. Any number: `paths`
   T5 by `minibatch`, drawn quasi-randomly.
4. `neutral` T6 and `immunity` T7, rare and likely outcomes; `noise`, `momentum`, `reuse` and `splitting` T8, what is
   not clipping; `reward` T9, rewards that look; `entropy` T10 of one step; `strategy` T11, from shares to accuracy.
5. `config` what decides a phase; `notation` surrogates and optimizers in a line of text.

Left out: Adam's normalisation (`noise` says what it breaks; Monte Carlo in `simulate` has it).
"""
