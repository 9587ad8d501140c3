"""Signal-to-distortion ratios of separated sources, in dB."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from mpq_checks.errors import MetricError
from mpq_checks.metrics.base import Metric
from mpq_checks.signals import Audio

__all__ = [
    "EXACT",
    "GLOBAL_SDR_DB",
    "MAGNITUDE_SDR_DB",
    "MIXTURE_SDR_DB",
    "SDR_DB",
    "decode_db",
    "encode_db",
    "framewise_sdr_db",
    "magnitude_sdr_db",
    "mean_db",
    "sdr_db",
    "stem_sdr_metric",
]

Samples: TypeAlias = npt.NDArray[np.floating[Any]]

SDR_DB = Metric("sdr_db", "dB", higher_is_better=True, decimals=2)
"""museval's framewise SDR: mean over frames, then over stems, then over samples."""

GLOBAL_SDR_DB = Metric("global_sdr_db", "dB", higher_is_better=True, decimals=2)
"""SDR over the whole clip: stable where single frames are not."""

MAGNITUDE_SDR_DB = Metric("magnitude_sdr_db", "dB", higher_is_better=True, decimals=2)
"""SDR of magnitude spectrograms: does not punish a codec that re-synthesises phase."""

MIXTURE_SDR_DB = Metric("mixture_sdr_db", "dB", higher_is_better=True, decimals=2)
"""SDR of what the model heard against the original mixture: infinite without compression."""

EXACT = "exact"
"""Stands for an infinite ratio (no distortion at all) in statistics, which JSON must carry."""

_FRAME, _HOP = 2048, 512
_DECIMALS = 4


def stem_sdr_metric(stem: str) -> Metric:
    """The framewise SDR of one stem: `vocals_sdr_db`."""
    return Metric(f"{stem}_sdr_db", "dB", higher_is_better=True, decimals=2)


def sdr_db(reference: Audio, estimate: Audio) -> float:
    """10 log10(|s|^2 / |s - e|^2) over the whole clip, channels together.

    Scale counts, and so does delay. 0 for a silent estimate, infinite for an exact copy.

    Raises:
        MetricError: signals of different form, or a silent reference.
    """
    _require_same_form(reference, estimate)
    return _ratio_db(reference.samples, estimate.samples)


def magnitude_sdr_db(reference: Audio, estimate: Audio) -> float:
    """The same of magnitude spectrograms (Hann, 2,048 samples, hop 512), blind to phase.

    Raises:
        MetricError: signals of different form, or a silent reference.
    """
    _require_same_form(reference, estimate)
    return _ratio_db(_magnitudes(reference.samples), _magnitudes(estimate.samples))


def framewise_sdr_db(
    references: Mapping[str, Audio],
    estimates: Mapping[str, Audio],
    *,
    window_seconds: float = 1.0,
    hop_seconds: float = 1.0,
) -> dict[str, list[float | None]]:
    """SDR of each stem in frames, of 1 s as `museval.evaluate` (BSS Eval v4, images) gives it.

    BSS Eval splits the error into spatial, interference and artifact parts with distortion
    filters. Its SDR divides by all three together, in which the filters cancel: what is left is
    |s|^2 / |s - e|^2 over the frame. A last frame that is not whole is left out; a clip no longer
    than a frame is one.

    Args:
        references: the true stems, by name.
        estimates: the separated stems; others than in `references` are not looked at.
        window_seconds: length of a frame.
        hop_seconds: from the beginning of a frame to that of the next.

    Returns:
        dB by stem and frame; infinite for an exact copy; None for *all* stems in a frame where
        any reference or estimate is silent, which museval gives as NaN. Silent, as there, is a
        frame whose channels add up to zero throughout.

    Raises:
        MetricError: no stems, a stem missing, or signals of different form.
    """
    if not references:
        raise MetricError("sdr: there are no stems to compare")
    for name in references:
        if name not in estimates:
            raise MetricError(f"sdr: the model gave no {name}, only {', '.join(estimates)}")
        _require_same_form(references[name], estimates[name])
    first = next(iter(references.values()))
    window, hop = (round(s * first.sample_rate) for s in (window_seconds, hop_seconds))
    frames = _frames(first.num_samples, window, hop)
    ratios: dict[str, list[float | None]] = {name: [] for name in references}
    for frame in frames:
        pairs = {
            name: (references[name].samples[:, frame], estimates[name].samples[:, frame])
            for name in references
        }
        silent = any(_is_silent(part) for pair in pairs.values() for part in pair)
        for name, (reference, estimate) in pairs.items():
            ratios[name].append(None if silent else _ratio_db(reference, estimate))
    return ratios


def mean_db(values: Sequence[float | None]) -> float | None:
    """Mean over frames or samples, None left out; None where nothing is left."""
    counted = [value for value in values if value is not None]
    if not counted:
        return None
    if math.inf in counted:
        return math.inf
    return math.fsum(counted) / len(counted)


def encode_db(value: float | None) -> float | str | None:
    """A ratio as JSON carries it, to 0.0001 dB: infinity becomes `EXACT`."""
    if value is None:
        return None
    return EXACT if value == math.inf else round(value, _DECIMALS)


def decode_db(value: object) -> float | None:
    """Undo `encode_db`. Raises MetricError for anything else."""
    if value is None:
        return None
    if value == EXACT:
        return math.inf
    if isinstance(value, (int, float)) and math.isfinite(value):
        return float(value)
    raise MetricError(f"sdr: {value!r} in a sample's statistics is not a number, {EXACT!r} or null")


def _require_same_form(reference: Audio, estimate: Audio) -> None:
    forms = [(*a.samples.shape, a.sample_rate) for a in (reference, estimate)]
    if forms[0] != forms[1]:
        raise MetricError(
            f"sdr: the estimate has {forms[1][0]} channels x {forms[1][1]} samples at "
            f"{forms[1][2]} Hz, the reference {forms[0][0]} x {forms[0][1]} at {forms[0][2]} Hz"
        )


def _frames(num_samples: int, window: int, hop: int) -> list[slice]:
    if num_samples <= window:
        return [slice(0, num_samples)]
    count = (num_samples - window) // hop + 1
    return [slice(k * hop, k * hop + window) for k in range(count)]


def _is_silent(samples: npt.NDArray[np.float32]) -> bool:
    return not np.any(samples.astype(np.float64).sum(axis=0))


def _ratio_db(reference: Samples, estimate: Samples) -> float:
    truth = reference.astype(np.float64)
    signal = float(np.sum(np.square(truth)))
    error = float(np.sum(np.square(truth - estimate)))
    if signal == 0:
        raise MetricError("sdr: a reference is silent, so its ratio is not defined")
    return math.inf if error == 0 else 10.0 * math.log10(signal / error)


def _magnitudes(samples: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Magnitude spectrogram, channels x frames x bins; the end is padded with silence."""
    num_frames = max(1, math.ceil((samples.shape[1] - _FRAME) / _HOP) + 1)
    padded = np.zeros((samples.shape[0], (num_frames - 1) * _HOP + _FRAME))
    padded[:, : samples.shape[1]] = samples
    frames = np.lib.stride_tricks.sliding_window_view(padded, _FRAME, axis=1)[:, ::_HOP]
    spectrum = np.fft.rfft(frames * np.hanning(_FRAME), axis=2)
    return np.abs(spectrum)
