"""Codes of EnCodec as bits: packed at their width, or coded by their probability."""

import io
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from mpq_checks.codecs.encodec_models import (
    BINS,
    ModelName,
    load_language_model,
    static_counts,
)
from mpq_checks.codecs.one_thread import one_thread
from mpq_checks.errors import DecodingError
from mpq_checks.torch_stack import prepare

__all__ = [
    "MAX_CODES_A_BYTE",
    "Codes",
    "Shape",
    "coded",
    "pack_codes",
    "packed_size",
    "uncoded",
    "unpack_codes",
]

Codes: TypeAlias = npt.NDArray[np.int64]
"""Codes of one stretch of sound, codebooks x frames, 0..1023."""

_BITS = 10
_RANGE_BITS = 24  # of the package's arithmetic coder
_CHECKSUM_BYTES = 4
MAX_CODES_A_BYTE = 1000
"""More than entropy coding ever brings; what states more is refused before it is decoded."""


@dataclass(frozen=True)
class Shape:
    """Form of one stretch's codes, which the header of a stream implies."""

    codebooks: int
    frames: int

    @property
    def size(self) -> int:
        """Number of codes."""
        return self.codebooks * self.frames


def packed_size(shapes: Sequence[Shape]) -> int:
    """Bytes that `pack_codes` gives."""
    return (_BITS * sum(shape.size for shape in shapes) + 7) // 8


def pack_codes(stretches: Sequence[Codes]) -> bytes:
    """10 bits a code, frame by frame, high bits first; zeros fill the last byte."""
    flat = np.concatenate([codes.T.ravel() for codes in stretches])
    bits = (flat[:, None] >> np.arange(_BITS - 1, -1, -1)) & 1
    return np.packbits(bits.astype(np.uint8)).tobytes()


def unpack_codes(data: bytes, shapes: Sequence[Shape]) -> list[Codes]:
    """The codes again; `data` has the size that `packed_size` states."""
    count = sum(shape.size for shape in shapes)
    bits = np.unpackbits(np.frombuffer(data, np.uint8), count=_BITS * count)
    flat = bits.reshape(-1, _BITS) @ (1 << np.arange(_BITS - 1, -1, -1, dtype=np.int64))
    stretches, position = [], 0
    for shape in shapes:
        part = flat[position : position + shape.size]
        stretches.append(np.ascontiguousarray(part.reshape(shape.frames, shape.codebooks).T))
        position += shape.size
    return stretches


def coded(model: ModelName, stretches: Sequence[Codes]) -> bytes:
    """Checksum of the codes, and the codes by the package's arithmetic coder.

    Official models: probabilities by the package's language model, from the frames before.
    Compact model: how often each code occurred in training.

    Raises:
        AssetError: the language model cannot be had.
    """
    prepare()
    from encodec.quantization.ac import ArithmeticCoder

    out = io.BytesIO()
    coder: Any = ArithmeticCoder(out, _RANGE_BITS)  # its flush has no types
    with one_thread():
        for codes in stretches:
            predict = _predictor(model, len(codes))
            previous = None
            for frame in codes.T.tolist():
                for code, limits in zip(frame, predict(previous), strict=True):
                    coder.push(code, limits)
                previous = frame
    coder.flush()
    return _checksum(stretches) + out.getvalue()


def uncoded(model: ModelName, data: bytes, shapes: Sequence[Shape], codec: str) -> list[Codes]:
    """The codes again.

    Raises:
        AssetError: the language model cannot be had.
        DecodingError: too few bits, or other codes than were coded. The latter happens with an
            intact stream where another machine's arithmetic gives the language model other
            probabilities (facebookresearch/encodec#95).
    """
    prepare()
    from encodec.quantization.ac import ArithmeticDecoder

    if len(data) < _CHECKSUM_BYTES:
        raise DecodingError(f"{codec}: {len(data)} bytes hold no entropy-coded codes")
    decoder = ArithmeticDecoder(io.BytesIO(data[_CHECKSUM_BYTES:]), _RANGE_BITS)
    try:
        with one_thread():
            stretches = [_pull(decoder, model, shape) for shape in shapes]
    except (RuntimeError, EOFError, AssertionError, TypeError) as exc:
        raise DecodingError(_diverged(codec)) from exc
    if _checksum(stretches) != data[:_CHECKSUM_BYTES]:
        raise DecodingError(_diverged(codec))
    return stretches


def _pull(decoder: Any, model: ModelName, shape: Shape) -> Codes:
    predict = _predictor(model, shape.codebooks)
    frames: list[list[int]] = []
    for _ in range(shape.frames):
        frame = []
        for limits in predict(frames[-1] if frames else None):
            code = decoder.pull(limits)
            if code is None:
                raise EOFError
            frame.append(code)
        frames.append(frame)
    return np.array(frames, dtype=np.int64).T


def _diverged(codec: str) -> str:
    return (
        f"{codec}: the entropy-coded codes are not those that were encoded. Their probabilities "
        f"differ here from those of the encoder: another machine, library or weights. Decode "
        f"where it was encoded, or encode with entropy_coded=False"
    )


def _checksum(stretches: Sequence[Codes]) -> bytes:
    flat = np.concatenate([codes.T.ravel() for codes in stretches])
    return zlib.crc32(flat.astype("<u2").tobytes()).to_bytes(_CHECKSUM_BYTES, "little")


_Predictor: TypeAlias = Callable[[list[int] | None], Iterator[Any]]
"""Gives, from the codes of the frame before, cumulative ranges for each codebook's next code."""


def _predictor(model: ModelName, codebooks: int) -> _Predictor:
    return _static(codebooks) if model == "compact" else _predicted(model, codebooks)


def _static(codebooks: int) -> _Predictor:
    import torch

    # Integers alone: the same on every machine. Every code has a range of at least 2.
    counts = static_counts()[:codebooks] + 1
    free = (1 << _RANGE_BITS) - 2 * BINS
    ranges = counts * free // counts.sum(1, keepdims=True) + 2
    limits = list(torch.from_numpy(np.cumsum(ranges, axis=1)))
    return lambda _: iter(limits)


def _predicted(model: ModelName, codebooks: int) -> _Predictor:
    import torch
    from encodec.quantization.ac import build_stable_quantized_cdf

    language = load_language_model(model)
    states: Any = None
    offset: Any = 0

    def predict(previous: list[int] | None) -> Iterator[Any]:
        nonlocal states, offset
        # 0 stands for "nothing before".
        known = [0] * codebooks if previous is None else [code + 1 for code in previous]
        frame = torch.tensor(known).reshape(1, codebooks, 1)
        probabilities, states, offset = language(frame, states, offset)
        for index in range(codebooks):
            yield build_stable_quantized_cdf(
                probabilities[0, :, index, 0], _RANGE_BITS, check=False
            )

    return predict
