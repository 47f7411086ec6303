"""What a training at size takes on GPUs: memory by part, and seconds a phase. Estimates by counting; none was run."""

from dataclasses import dataclass

from clipbias.common.errors import InputError
from clipbias.validate.model.memory import NUMBER, Load, trained_numbers, training_parts
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """How a step is made. lora_rank: of low-rank updates, None where all weights are trained. half: products in
    bfloat16."""

    lora_rank: int | None = None
    half: bool = True
    checkpointing: bool = True


FULL = Method()


def memory_parts(size: ModelSize, batch: Batch, gpus: int, micro: int, method: Method = FULL) -> tuple[Part, ...]:
    """On one of `gpus` that share weights, gradients and moments in single precision (FSDP), while `micro` answers pass
    forward and back.

    The engine that samples beside the training holds all weights in bfloat16. Domain: activations are counted in single
    precision, of which autocast keeps part in half: an upper estimate of them. On one GPU autocast also keeps a copy of
    the weights in half: of those that are trained for the whole pass, of frozen ones as long as their layer is; under
    FSDP that is one layer at a time, and is left out.
    """
    load = Load(
        minibatch=micro,
        sampled=0,
        prompt=batch.prompt,
        answer=batch.longest,
        checkpointing=method.checkpointing,
        lora_rank=method.lora_rank,
    )
    parts = training_parts(size, load)
    n, tokens = size.parameters, micro * (batch.prompt + batch.longest)
    trained = trained_numbers(size, method.lora_rank)
    shared = f"{NUMBER} bytes · {parts.weights / NUMBER / 1e9:.2f} billion parameters / {gpus} GPUs"
    moving = f"{NUMBER} bytes · {trained / 1e9:.2f} billion parameters / {gpus} GPUs"
    layer = f"11 · {size.width} + 4 · {size.inner}"
    kept = f"{size.layers} layers · {size.width} kept + {layer} of one layer" if method.checkpointing else None
    copied = n // size.layers if method.lora_rank is not None and method.checkpointing else n
    copy = Part(
        name="copy in bfloat16", bytes=float(HALF * copied), how=f"{HALF} bytes · {copied / 1e9:.2f} billion parameters"
    )
    return (
        Part(name="weights", bytes=parts.weights / gpus, how=shared),
        *([copy] if gpus == 1 and method.half else []),
        Part(name="gradients", bytes=parts.gradients / gpus, how=moving),
        Part(name="Adam's moments", bytes=parts.moments / gpus, how=f"2 · {moving}"),
        Part(
            name="activations",
            bytes=parts.activations,
            how=f"{NUMBER} bytes · {tokens:,} tokens · ({kept or f'{size.layers} layers · ({layer})'})",
        ),
        Part(name="scores", bytes=parts.scores, how=f"{NUMBER} bytes · {tokens:,} tokens · a piece of the vocabulary"),
        Part(name="engine's weights", bytes=float(HALF * n), how=f"{HALF} bytes · {n / 1e9:.2f} billion parameters"),
    )


def fitting_micro(
    size: ModelSize, batch: Batch, gpu: Gpu, gpus: int, method: Method = FULL, asked: int | None = None
) -> int:
    """Answers that pass at once on one GPU: as many as are asked for, or the largest divisor of its share of a
    mini-batch that fits.

    Raises InputError where these, or even one, do not.
    """
    share, rest = divmod(batch.minibatch, gpus)
    if rest:
        raise InputError("gpus", f"a divisor of a mini-batch's {batch.minibatch} answers", gpus)
    room = gpu.memory * (1 - ENGINE_CACHE - SPARE)
    if asked is not None and share % asked:
        raise InputError("training.micro_batch", f"a divisor of {share} answers, a GPU's part of a mini-batch", asked)
    needed = 0.0
    for micro in range(share, 0, -1) if asked is None else (asked,):
        needed = sum(part.bytes for part in memory_parts(size, batch, gpus, micro, method))
        if share % micro == 0 and needed <= room:
            return micro
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


def times(size: ModelSize, batch: Batch, gpu: Gpu, gpus: int, method: Method = FULL) -> Times:
    """A step of sampling reads all weights and all keys and values, or computes 2 operations a parameter and answer,
    whichever takes longer; there are as many as the longest answer has tokens. Training computes 10 a parameter and
    token: 2 for the old probabilities, 2 forward, 2 again for what was not kept, 4 back (Kaplan et al. 2020,
    arXiv:2001.08361, section 2.1; attention's own products are left out, a few percent at these lengths). Frozen
    weights take 2 back: the gradient passes through, and none is made of them. What is kept takes nothing again."""
    n, each = size.parameters, batch.rollouts / gpus
    kept = HALF * size.layers * size.key_values * (batch.prompt + batch.mean / 2)
    read = (HALF * n + each * kept) / (gpu.bandwidth * SAMPLING_BANDWIDTH)
    computed = 2 * n * each / (gpu.compute * SAMPLING_COMPUTE)
    tokens = batch.rollouts * (batch.prompt + batch.mean)
    each_token = 4 + (2 if method.checkpointing else 0) + (4 if method.lora_rank is None else 2)
    reached = gpus * gpu.compute * TRAINING_COMPUTE
    slower, part = ("read", SAMPLING_BANDWIDTH) if read > computed else ("compute", SAMPLING_COMPUTE)
    return Times(
        sampling=batch.longest * max(read, computed),
        training=each_token * n * tokens / reached,
        how_sampling=f"{batch.longest:,} steps of {1000 * max(read, computed):.0f} ms: {each:.0f} answers on each GPU"
        f" {slower} at {part:.0%} of the data sheet",
        how_training=f"{each_token} · {n / 1e9:.2f} billion parameters · {tokens:,.0f} tokens"
        f" at {TRAINING_COMPUTE:.0%} of {gpus} · {gpu.compute / 1e12:.0f} TFLOP/s",
    )
