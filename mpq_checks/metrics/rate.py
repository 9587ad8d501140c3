"""The rate: what the compressed form costs."""

from mpq_checks.errors import MetricError
from mpq_checks.metrics.base import Metric
from mpq_checks.signals import Modality, Signal

__all__ = ["BITS_PER_PIXEL", "BITS_PER_SAMPLE", "bits_per_unit", "rate_metric"]

BITS_PER_PIXEL = Metric("bits_per_pixel", "bit/px", higher_is_better=False, decimals=4)
BITS_PER_SAMPLE = Metric("bits_per_sample", "bit/sample", higher_is_better=False, decimals=4)


def rate_metric(modality: Modality) -> Metric:
    """The rate of a modality: bits per pixel of images, bits per sample of audio."""
    return BITS_PER_PIXEL if modality == "image" else BITS_PER_SAMPLE


def bits_per_unit(num_bytes: int, signal: Signal, nominal: float | None = None) -> float:
    """Rate of `signal` coded in `num_bytes`.

    8 * num_bytes / (height * width) for an image, 8 * num_bytes / (channels * samples) for audio.

    Args:
        num_bytes: length of what the encoder gave.
        signal: the original.
        nominal: the codec's `nominal_rate`; where not None it is the rate (24 and 16 bits for
            uncompressed images and audio).

    Raises:
        MetricError: a negative number of bytes.
    """
    if num_bytes < 0:
        raise MetricError(f"rate: num_bytes is {num_bytes}, a length cannot be negative")
    return float(nominal) if nominal is not None else 8 * num_bytes / signal.num_units
