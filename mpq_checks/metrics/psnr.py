"""Peak signal-to-noise ratio."""

import math

import numpy as np

from mpq_checks.errors import MetricError, SignalError
from mpq_checks.metrics.base import Metric
from mpq_checks.signals import Image, Signal, require_same_form

__all__ = ["PSNR_DB", "mean_squared_error", "psnr_db"]

PSNR_DB = Metric("psnr_db", "dB", higher_is_better=True, decimals=2)


def psnr_db(reference: Signal, decoded: Signal) -> float:
    """PSNR in dB; infinite for equal signals.

    Images: 20 log10(255) - 10 log10(MSE) over all pixels and channels of 0..255. Audio, whose
    peak is 1: -10 log10(MSE) over all channels and samples. So defined in "Machine Perceptual
    Quality" (Jacobellis et al., 2024).

    Raises:
        MetricError: signals of different type, shape or sample rate.
    """
    error = mean_squared_error(reference, decoded)
    if error == 0.0:
        return math.inf
    peak = 255.0 if isinstance(reference, Image) else 1.0
    return 20.0 * math.log10(peak) - 10.0 * math.log10(error)


def mean_squared_error(reference: Signal, decoded: Signal) -> float:
    """Mean of the squared differences: exact for images, summed in float64 for audio.

    Raises:
        MetricError: signals of different type, shape or sample rate.
    """
    try:
        require_same_form(reference, decoded)
    except SignalError as exc:
        raise MetricError(f"psnr_db: {exc}") from exc
    if isinstance(reference, Image) and isinstance(decoded, Image):
        levels = reference.pixels.astype(np.int64) - decoded.pixels
        return int(np.vdot(levels, levels)) / levels.size
    assert not isinstance(reference, Image)  # noqa: S101  (both are audio: same form)
    assert not isinstance(decoded, Image)  # noqa: S101
    difference = reference.samples.astype(np.float64) - decoded.samples
    return float(np.mean(np.square(difference)))
