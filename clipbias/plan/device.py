"""What a training at size takes on GPUs: memory by part, and seconds a phase. Estimates by counting; none was run."""

from dataclasses import dataclass

from clipbias.common.errors import InputError
from clipbias.validate.model.memory import NUMBER, Load, training_parts
from clipbias.validate.model.size import ModelSize

HALF = 2  # bytes of a number in bfloat16
ENGINE_CACHE = 0.3  # of a GPU's memory, for keys and values of the engine that samples beside the training
SPARE = 0.08  # of a GPU's memory, for CUDA, NCCL and fragments
SAMPLING_COMPUTE, SAMPLING_BANDWIDTH, TRAINING_COMPUTE = 0.5, 0.7, 0.35  # reached of a data sheet's: usual values


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """By its maker's data sheet. memory: bytes; compute: of dense bfloat16 products, operations a second; bandwidth:
    bytes a second."""

    name: str
    memory: float
    compute: float
    bandwidth: float


GPUS = {
    "a100-80": Gpu(name="A100 SXM 80 GB", memory=80e9, compute=312e12, bandwidth=2.039e12),
    "h100-80": Gpu(name="H100 SXM 80 GB", memory=80e9, compute=989e12, bandwidth=3.35e12),
    "h200-141": Gpu(name="H200 SXM 141 GB", memory=141e9, compute=989e12, bandwidth=4.8e12),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """bytes: on one GPU. how: the arithmetic."""

    name: str
    bytes: float
    how: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """rollouts: of a phase. prompt, longest: tokens, at most; mean: of an answer. minibatch: answers of a step, over
    all GPUs."""

    rollouts: int
    minibatch: int
    prompt: int
    longest: int
    mean: float


def memory_parts(size: ModelSize, batch: Batch, gpus: int, micro: int) -> tuple[Part, ...]:
    """On one of `gpus` that share weights, gradients and moments in single precision (FSDP), with gradient
    checkpointing, while `micro` answers pass forward and back.

    The engine that samples beside the training holds all weights in bfloat16. Domain: activations are counted in single
    precision, of which autocast keeps part in half: an upper estimate of them.
    """
    load = Load(minibatch=micro, sampled=0, prompt=batch.prompt, answer=batch.longest)
    parts = training_parts(size, load, checkpointing=True)
    n, tokens = size.parameters, micro * (batch.prompt + batch.longest)
    shared = f"{NUMBER} bytes · {n / 1e9:.2f} billion parameters / {gpus} GPUs"
    return (
        Part(name="weights", bytes=parts.weights / gpus, how=shared),
        Part(name="gradients", bytes=parts.gradients / gpus, how=shared),
        Part(name="Adam's moments", bytes=parts.moments / gpus, how=f"2 · {shared}"),
        Part(
            name="activations",
            bytes=parts.activations,
            how=f"{NUMBER} bytes · {tokens:,} tokens · ({size.layers} layers · {size.width} kept"
            f" + 11 · {size.width} + 4 · {size.inner} of one layer)",
        ),
        Part(name="scores", bytes=parts.scores, how=f"{NUMBER} bytes · {tokens:,} tokens · a piece of the vocabulary"),
        Part(name="engine's weights", bytes=float(HALF * n), how=f"{HALF} bytes · {n / 1e9:.2f} billion parameters"),
    )


def largest_micro(size: ModelSize, batch: Batch, gpu: Gpu, gpus: int) -> int:
    """Answers that pass at once on one GPU: the largest divisor of its share of a mini-batch that fits.

    Raises InputError where not even one does.
    """
    share, rest = divmod(batch.minibatch, gpus)
    if rest:
        raise InputError("gpus", f"a divisor of a mini-batch's {batch.minibatch} answers", gpus)
    room = gpu.memory * (1 - ENGINE_CACHE - SPARE)
    for micro in range(share, 0, -1):
        if share % micro == 0 and sum(part.bytes for part in memory_parts(size, batch, gpus, micro)) <= room:
            return micro
    needed = sum(part.bytes for part in memory_parts(size, batch, gpus, 1))
    raise InputError(
        "gpus",
        f"enough to hold {needed / 1e9:.0f} GB on each, of {room / 1e9:.0f} GB that are left of an {gpu.name}"
        f" beside the engine's cache",
        gpus,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """Seconds of a phase. how_…: the arithmetic."""

    sampling: float
    training: float
    how_sampling: str
    how_training: str

    @property
    def phase(self) -> float:
        return self.sampling + self.training


def times(size: ModelSize, batch: Batch, gpu: Gpu, gpus: int) -> Times:
    """A step of sampling reads all weights and all keys and values, or computes 2 operations a parameter and answer,
    whichever takes longer; there are as many as the longest answer has tokens. Training computes 10 a parameter and
    token: 2 for the old probabilities, 2 forward, 2 again for what was not kept, 4 back (Kaplan et al. 2020,
    arXiv:2001.08361, section 2.1; attention's own products are left out, a few percent at these lengths)."""
    n, each = size.parameters, batch.rollouts / gpus
    kept = HALF * size.layers * size.key_values * (batch.prompt + batch.mean / 2)
    read = (HALF * n + each * kept) / (gpu.bandwidth * SAMPLING_BANDWIDTH)
    computed = 2 * n * each / (gpu.compute * SAMPLING_COMPUTE)
    tokens = batch.rollouts * (batch.prompt + batch.mean)
    reached = gpus * gpu.compute * TRAINING_COMPUTE
    slower, part = ("read", SAMPLING_BANDWIDTH) if read > computed else ("compute", SAMPLING_COMPUTE)
    return Times(
        sampling=batch.longest * max(read, computed),
        training=10 * n * tokens / reached,
        how_sampling=f"{batch.longest:,} steps of {1000 * max(read, computed):.0f} ms: {each:.0f} answers on each GPU"
        f" {slower} at {part:.0%} of the data sheet",
        how_training=f"10 · {n / 1e9:.2f} billion parameters · {tokens:,.0f} tokens at {TRAINING_COMPUTE:.0%} of"
        f" {gpus} · {gpu.compute / 1e12:.0f} TFLOP/s",
    )
