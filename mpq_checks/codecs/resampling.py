"""Changing the sample rate and coming back to the exact length."""

import numpy as np
import numpy.typing as npt

__all__ = ["fit_length", "resample", "soxr_version"]


def resample(
    samples: npt.NDArray[np.float32], from_rate: int, to_rate: int
) -> npt.NDArray[np.float32]:
    """soxr's high quality, which adds no delay; channels x samples, at least one sample."""
    if from_rate == to_rate:
        return samples
    import soxr  # type: ignore[import-untyped]

    # A copy in any case: soxr refuses the strides that a single sample of two channels may have.
    frames = np.array(samples.T, order="C")
    resampled = soxr.resample(frames, from_rate, to_rate, quality="HQ").T
    return resampled if resampled.shape[1] else samples[:, :1]


def fit_length(samples: npt.NDArray[np.float32], num_samples: int) -> npt.NDArray[np.float32]:
    """Crop the end, or pad it with silence."""
    missing = num_samples - samples.shape[1]
    padded = np.pad(samples, ((0, 0), (0, max(0, missing))))
    return np.ascontiguousarray(padded[:, :num_samples])


def soxr_version() -> str:
    """Version of the resampler."""
    from importlib.metadata import version

    return f"soxr {version('soxr')} HQ"
