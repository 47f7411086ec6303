"""The toy by Monte Carlo and by exact enumeration: `methods` for `theory.law.law`.

`compiled` counts samples and is fast, `autograd` draws each and takes any torch optimizer, `exact` lists all that there
may be; `estimate` makes means and errors of sums; `sweeps` runs the compiled engine over many set-ups.
"""
