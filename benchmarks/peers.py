"""What others would write for `tabular.py`: the same phases of two outcomes, many replicates at once.

Each makes a function of the numbers of replicates and phases that returns the mean change of the log-odds. NumPy and
torch work in double precision, JAX in single, where it is fastest.
"""

from collections.abc import Callable
from functools import partial

import numpy as np

from clipbias.theory.formulas.advantage import group_advantages

GROUP, GROUPS, MINIBATCHES, PROB, CLIP, RATE = 16, 4, 8, 0.65, 0.2, 0.5
START = float(np.log(PROB / (1 - PROB)))
STEP = RATE / (GROUP * GROUPS)
Program = Callable[[int, int], float]


def numpy_program() -> Program:
    rng = np.random.default_rng(0)
    plus, minus = group_advantages(GROUP, "std")

    def run(replicates: int, phases: int) -> float:
        x = np.full(replicates, START)
        for _ in range(phases):
            b = 1 / (1 + np.exp(-x))
            for _ in range(MINIBATCHES):
                p = 1 / (1 + np.exp(-x))
                first, second = p / b, (1 - p) / (1 - b)
                m = rng.binomial(GROUP, 0.5, (GROUPS, replicates))
                k, n = rng.binomial(m, b), rng.binomial(GROUP - m, b)
                praise, blame = plus[m], minus[m]
                up = (praise * k).sum(0) * (first <= 1 + CLIP) + (blame * n).sum(0) * (first >= 1 - CLIP)
                down = (praise * (m - k)).sum(0) * (second <= 1 + CLIP)
                down += (blame * (GROUP - m - n)).sum(0) * (second >= 1 - CLIP)
                x = x + 2 * STEP * ((1 - p) * first * up - p * second * down)
        return float(x.mean()) - START

    return run


def torch_program() -> Program:
    """Autograd over a row of logits for every replicate, samples counted."""
    import torch

    generator = torch.Generator().manual_seed(0)
    plus, minus = (torch.as_tensor(side) for side in group_advantages(GROUP, "std"))

    def run(replicates: int, phases: int) -> float:
        z = torch.tensor([[START], [0.0]], dtype=torch.float64).repeat(1, replicates).requires_grad_()
        optimizer = torch.optim.SGD([z], RATE, maximize=True)
        half = torch.full((GROUPS, replicates), 0.5, dtype=torch.float64)
        size = torch.full_like(half, GROUP)
        for _ in range(phases):
            b = z.detach().softmax(0)
            for _ in range(MINIBATCHES):
                m = torch.binomial(size, half, generator=generator)
                k = torch.binomial(m, b[0].expand_as(m), generator=generator)
                n = torch.binomial(size - m, b[0].expand_as(m), generator=generator)
                praise, blame = plus[m.long()], minus[m.long()]
                praised = torch.stack([(praise * k).sum(0), (praise * (m - k)).sum(0)])
                blamed = torch.stack([(blame * n).sum(0), (blame * (GROUP - m - n)).sum(0)])
                ratio = z.softmax(0) / b
                gain = praised * ratio.clamp(max=1 + CLIP) + blamed * ratio.clamp(min=1 - CLIP)
                optimizer.zero_grad()
                (gain.sum() / (GROUP * GROUPS)).backward()
                optimizer.step()
        return float((z[0] - z[1]).detach().mean()) - START

    return run


def jax_program(draws: str) -> Program:
    """jit of a scan over phases and steps.

    draws: "inversion" (three uniform numbers a group through unrolled cumulative laws), "bits" (a word a sample) or
    "binomial" (jax.random.binomial).
    """
    import jax
    import jax.numpy as jnp
    from scipy.stats import binom

    plus, minus = (jnp.asarray(side, jnp.float32) for side in group_advantages(GROUP, "std"))
    half = jnp.asarray(binom.cdf(np.arange(GROUP), GROUP, 0.5), jnp.float32)

    def inverted(trials, b, uniform):
        mass = (1 - b) ** trials
        total, count = mass, jnp.zeros_like(uniform)
        for j in range(GROUP):
            count += uniform > total
            mass *= b / (1 - b) * jnp.maximum(trials - j, 0) / (j + 1)
            total += mass
        return jnp.minimum(count, trials)

    def counts(key, b):
        shape = (GROUPS, *b.shape)
        if draws == "inversion":
            uniform = jax.random.uniform(key, (3, *shape))
            m = jnp.searchsorted(half, uniform[0], method="compare_all").astype(jnp.float32)
            return m, inverted(m, b, uniform[1]), inverted(GROUP - m, b, uniform[2])
        if draws == "bits":
            word = jax.random.bits(key, (GROUP, *shape), jnp.uint32)
            rewarded = (word >> 31).astype(jnp.float32)
            first = ((word & 0x7FFFFFFF).astype(jnp.float32) * 2.0**-31 < b).astype(jnp.float32)
            m, k = rewarded.sum(0), (rewarded * first).sum(0)
            return m, k, first.sum(0) - k
        keys = jax.random.split(key, 3)
        m = jax.random.binomial(keys[0], GROUP, 0.5, shape, jnp.float32)
        return m, *(jax.random.binomial(keys[i], t, b, shape, jnp.float32) for i, t in ((1, m), (2, GROUP - m)))

    def step(b, x, key):
        p, q = jax.nn.sigmoid(x), jax.nn.sigmoid(-x)
        m, k, n = counts(key, b)
        praise, blame = plus[m.astype(jnp.int32)], minus[m.astype(jnp.int32)]
        first, second = p / b, q / (1 - b)
        up = (praise * k).sum(0) * (first <= 1 + CLIP) + (blame * n).sum(0) * (first >= 1 - CLIP)
        down = (praise * (m - k)).sum(0) * (second <= 1 + CLIP)
        down += (blame * (GROUP - m - n)).sum(0) * (second >= 1 - CLIP)
        return x + 2 * STEP * (q * first * up - p * second * down), None

    @partial(jax.jit, static_argnums=(1, 2))
    def trained(key, replicates, phases):
        def phase(x, key):
            b = jax.nn.sigmoid(x)
            return jax.lax.scan(lambda x, key: step(b, x, key), x, jax.random.split(key, MINIBATCHES))

        start = jnp.full(replicates, START, jnp.float32)
        return jax.lax.scan(phase, start, jax.random.split(key, phases))[0].mean() - START

    key = jax.random.key(0)

    def run(replicates: int, phases: int) -> float:
        nonlocal key
        key, own = jax.random.split(key)
        return float(trained(own, replicates, phases))

    return run
