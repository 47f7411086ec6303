"""The mathematics of clipping, NumPy and SciPy only: formulas apart from what solves a whole problem with them.

1. The problem: `setup` the configuration of a phase, `surrogate` what is maximised, as a gate, `update_rule` how
   samples become steps; `notation` the latter two in a line of text.
2. `law` one problem, several solvers, one result; every number of it an `estimate`.
3. `formulas`, one equation, one function. `advantage` T1, the law of group-normalised advantages under a random reward
   (`continuous`, `whitening` its variants; `binomial`); `drift` T2 what a surrogate does on average; `covariance` T3
   the noise of a step; `neutral` T6 and `immunity` T7 rare and likely outcomes; `noise`, `momentum`, `second_epoch` and
   `split_groups` T8, what is not clipping; `reward` T9, rewards that look; `entropy` T10 of one step; `mixture` T11,
   from shares to accuracy; `evaluation_noise` and `power`, what counting adds, and how many seeds show an effect.
4. `laws`, whole phases. Two outcomes: `phase` T4 by `two_outcome_step`, on a `lattice` by its `lattice_kernel` or as
   `atoms`; `evolve` T10 many phases; from these `calibrate` the learning rate, `neutral_phase` T6 of a whole phase,
   `decomposition` T8, and `null_band`, how far a `placebo` may move what is measured. Any number: `paths` T5 by
   `minibatch`, drawn quasi-randomly. `cost` what each will take.

Left out: Adam's normalisation (`formulas.noise` says what it breaks; Monte Carlo in `simulate` has it).
"""
