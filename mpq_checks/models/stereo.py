"""Between any mixture and the form that music separators work on: stereo at 44,100 Hz."""

import numpy as np
import numpy.typing as npt

from mpq_checks.codecs.resampling import fit_length, resample
from mpq_checks.errors import SignalError
from mpq_checks.signals import Audio

__all__ = ["SAMPLE_RATE", "like", "stereo_44100"]

SAMPLE_RATE = 44100

_CHANNELS = 2


def stereo_44100(mixture: Audio, model: str) -> npt.NDArray[np.float32]:
    """Two channels at 44,100 Hz; mono is doubled.

    Raises:
        SignalError: more than two channels, which `model` does not take.
    """
    if mixture.num_channels > _CHANNELS:
        raise SignalError(
            f"audio has {mixture.num_channels} channels, {model} takes one or two; mix it down"
        )
    samples = resample(mixture.samples, mixture.sample_rate, SAMPLE_RATE)
    return np.broadcast_to(samples, (_CHANNELS, samples.shape[1])).copy()


def like(mixture: Audio, samples: npt.NDArray[np.float32]) -> Audio:
    """Bring two channels at 44,100 Hz back to the mixture's channels, sample rate and length."""
    if mixture.num_channels == 1:
        samples = samples.mean(axis=0, keepdims=True)
    samples = resample(samples, SAMPLE_RATE, mixture.sample_rate)
    exact = fit_length(samples, mixture.num_samples).astype(np.float32, copy=False)
    return Audio(exact, mixture.sample_rate)
