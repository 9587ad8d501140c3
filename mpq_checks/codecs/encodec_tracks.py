"""What of a sound EnCodec codes apart: channels, middle and side, segments; and the way back."""

from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from mpq_checks.codecs.encodec_codes import Codes
from mpq_checks.codecs.encodec_models import Spec
from mpq_checks.codecs.one_thread import one_thread

__all__ = [
    "Wave",
    "channels_of",
    "decode_tracks",
    "encode_tracks",
    "length_at",
    "num_frames",
    "segment_lengths",
    "tracks_of",
]

Wave: TypeAlias = npt.NDArray[np.float32]
"""Samples at the model's rate, channels x samples."""


def length_at(spec: Spec, length: int, rate: int) -> int:
    """Samples at the model's rate: as many as begin within the signal."""
    return -(-length * spec.sample_rate // rate)


def num_frames(spec: Spec, length: int) -> int:
    """Frames of codes that so many samples give."""
    return -(-length // spec.hop)


def segment_lengths(spec: Spec, length: int) -> list[int]:
    """Samples of each stretch that is coded apart."""
    starts = range(0, length, spec.stride or length)
    return [min(spec.segment or length, length - start) for start in starts]


def tracks_of(spec: Spec, samples: Wave) -> list[Wave]:
    """What is coded apart: each network channels x samples."""
    if spec.channels == 2:
        return [np.repeat(samples, 2, axis=0) if len(samples) == 1 else samples]
    if len(samples) == 1 or not spec.side_codebooks:
        return list(samples[:, None])
    left, right = samples
    return [((left + right) / 2)[None], ((left - right) / 2)[None]]


def channels_of(spec: Spec, waves: Sequence[Wave], channels: int) -> Wave:
    """The way back from `tracks_of`."""
    if spec.channels == 2:
        return waves[0] if channels == 2 else waves[0].mean(0, keepdims=True)
    if channels == 1 or not spec.side_codebooks:
        return np.concatenate(waves)
    middle, side = waves[0], waves[1] if len(waves) == 2 else np.zeros_like(waves[0])
    return np.concatenate([middle + side, middle - side])


def encode_tracks(
    network: Any, waves: Sequence[Wave], counts: Sequence[int]
) -> tuple[list[float], list[Codes]]:
    """Levels (none where the model does not normalise) and codes, track by track."""
    import torch

    scales, stretches = [], []
    with one_thread():
        for wave, count in zip(waves, counts, strict=True):
            for frame in _segments(network, torch.from_numpy(np.ascontiguousarray(wave))[None]):
                levelled = frame
                if network.normalize:  # as EncodecModel._encode_frame does it
                    scale = 1e-8 + frame.mean(1).pow(2).mean().sqrt()
                    scales.append(float(scale))
                    levelled = frame / scale
                codes = network.quantizer.vq.encode(network.encoder(levelled), n_q=count)
                stretches.append(codes[:, 0].numpy())
    return scales, stretches


def _segments(network: Any, wave: Any) -> Iterator[Any]:
    length = network.segment_length or wave.shape[-1]
    for start in range(0, wave.shape[-1], network.segment_stride or length):
        yield wave[..., start : start + length]


def decode_tracks(
    network: Any, scales: Sequence[float], stretches: Sequence[Codes], num_tracks: int
) -> list[Wave]:
    """Each track's sound, as long as its frames or a little longer than the original."""
    import torch

    levels: list[Any] = [torch.tensor([each]) for each in scales] or [None] * len(stretches)
    frames = [
        (torch.from_numpy(codes)[None], level)
        for codes, level in zip(stretches, levels, strict=True)
    ]
    each = len(frames) // num_tracks
    with one_thread():
        return [
            network.decode(frames[first : first + each])[0].numpy()
            for first in range(0, len(frames), each)
        ]
