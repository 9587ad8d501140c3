"""What MP3 and Opus streams share: the header, and the way back to the original form."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from mpq_checks.codecs.resampling import fit_length, resample
from mpq_checks.codecs.stream import pack, unpack
from mpq_checks.errors import CodecSettingError, DecodingError
from mpq_checks.signals import Audio

__all__ = ["pack_audio", "require_mono_or_stereo", "unpack_audio"]

_MAX_CHANNELS = 2
_SLACK_SECONDS = 0.2
"""How much more or less than stated a decoder may give: a few frames of padding."""


def require_mono_or_stereo(audio: Audio, codec: str) -> None:
    """Raise CodecSettingError beyond two channels."""
    if audio.num_channels > _MAX_CHANNELS:
        raise CodecSettingError(
            f"{codec} has 1 or 2 channels, the signal {audio.num_channels}; mix it down first"
        )


def pack_audio(magic: bytes, audio: Audio, payload: bytes) -> bytes:
    """Sample rate, channels and length of the original before the encoder's file."""
    return pack(magic, (audio.sample_rate, audio.num_channels, audio.num_samples), payload)


def unpack_audio(
    magic: bytes,
    data: bytes,
    codec: str,
    decode: Callable[[bytes], tuple[npt.NDArray[np.float32], int]],
) -> Audio:
    """Decode a packed stream to the original's sample rate, channels and length.

    Raises:
        DecodingError: a damaged or foreign stream, or one whose content is not as stated.
    """
    (sample_rate, channels, length), payload = unpack(magic, 3, data, codec)
    if not (sample_rate and length and 1 <= channels <= _MAX_CHANNELS):
        raise DecodingError(
            f"{codec}: the header states {channels} channels of {length} samples at "
            f"{sample_rate} Hz"
        )
    decoded, decoded_rate = decode(payload)
    stated_seconds = length / sample_rate
    found_seconds = decoded.shape[1] / decoded_rate
    if decoded.shape[0] != channels or abs(found_seconds - stated_seconds) > _SLACK_SECONDS:
        raise DecodingError(
            f"{codec}: {decoded.shape[0]} channels of {found_seconds:.3f} s where the header "
            f"states {channels} of {stated_seconds:.3f} s"
        )
    restored = resample(decoded, decoded_rate, sample_rate)
    return Audio(fit_length(restored, length), sample_rate)
