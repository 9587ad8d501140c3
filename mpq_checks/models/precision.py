"""Number formats that a model may compute in, and batches of one fixed size."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Literal, TypeAlias, TypeVar, get_args

from mpq_checks.errors import ModelError

if TYPE_CHECKING:
    import torch

__all__ = ["Precision", "batches", "check_run", "dtype_of", "exact_kernels", "run_identity"]

Precision: TypeAlias = Literal["fp32", "bf16", "fp16"]
"""Of weights and activations. The halves are meant for CUDA; logits come back as float32."""

ItemT = TypeVar("ItemT")


def check_run(batch_size: int, precision: str) -> None:
    """Refuse a setting that does not exist. Raises ModelError."""
    if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
        raise ModelError(f"batch_size is {batch_size!r}, not a number from 1 on")
    if precision not in get_args(Precision):
        raise ModelError(f"precision is {precision!r}, there are {', '.join(get_args(Precision))}")


def run_identity(batch_size: int, precision: Precision) -> dict[str, str]:
    """What differs from one signal at a time in float32; both change results in the last digits."""
    identity = {} if batch_size == 1 else {"batch_size": str(batch_size)}
    return identity if precision == "fp32" else {**identity, "precision": precision}


def dtype_of(precision: Precision) -> "torch.dtype":
    """torch's type of that name."""
    import torch

    return {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]


def exact_kernels(device: str) -> AbstractContextManager[None]:
    """On CUDA, convolutions without TF32 (which torch allows) and without a choice by timing."""
    if not device.startswith("cuda"):
        return nullcontext()
    import torch

    # Any other thread's convolutions are as exact meanwhile.
    flags: AbstractContextManager[None] = torch.backends.cudnn.flags(
        enabled=True, benchmark=False, deterministic=True, allow_tf32=False
    )
    return flags


def batches(items: Sequence[ItemT], batch_size: int) -> Iterator[tuple[list[ItemT], int]]:
    """Groups of `batch_size`, the last one filled up with its last item, and how many are real.

    All groups have one size, because kernels are chosen by shape and differ in the last digits.
    """
    for first in range(0, len(items), batch_size):
        group = list(items[first : first + batch_size])
        yield group + [group[-1]] * (batch_size - len(group)), len(group)
