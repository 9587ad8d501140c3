"""The two kinds of signal that flow through the gate."""

import hashlib
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from mpq_checks.errors import SignalError

__all__ = ["Audio", "Image", "Modality", "Signal", "require_same_form"]

Modality: TypeAlias = Literal["image", "audio"]


@dataclass(frozen=True, eq=False)
class Image:
    """An RGB image: uint8, height x width x 3, values 0..255.

    Raises:
        SignalError: another dtype or shape, or no pixels.
    """

    pixels: npt.NDArray[np.uint8]

    def __post_init__(self) -> None:
        """Refuse what is not an RGB image."""
        pixels: Any = self.pixels
        if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8:
            found = getattr(pixels, "dtype", type(pixels).__name__)
            raise SignalError(f"image pixels are {found}, not a uint8 array")
        if pixels.ndim != 3 or pixels.shape[2] != 3 or 0 in pixels.shape:
            raise SignalError(f"image has shape {pixels.shape}, not height x width x 3")

    @property
    def height(self) -> int:
        """Rows of pixels."""
        return int(self.pixels.shape[0])

    @property
    def width(self) -> int:
        """Columns of pixels."""
        return int(self.pixels.shape[1])

    @property
    def num_units(self) -> int:
        """What the rate is counted per: height x width pixels."""
        return self.height * self.width

    def sha256(self) -> str:
        """Hash of shape and pixels."""
        digest = hashlib.sha256(repr(self.pixels.shape).encode())
        digest.update(self.pixels.tobytes())
        return digest.hexdigest()


@dataclass(frozen=True, eq=False)
class Audio:
    """Audio: float32, channels x samples, full scale -1..1 (values beyond are kept, not clipped).

    Raises:
        SignalError: another dtype or shape, no samples, NaN or infinity, a sample rate below 1.
    """

    samples: npt.NDArray[np.float32]
    sample_rate: int

    def __post_init__(self) -> None:
        """Refuse what is not finite float32 audio."""
        samples: Any = self.samples
        if not isinstance(samples, np.ndarray) or samples.dtype != np.float32:
            found = getattr(samples, "dtype", type(samples).__name__)
            raise SignalError(f"audio samples are {found}, not a float32 array")
        if samples.ndim != 2 or 0 in samples.shape:
            raise SignalError(f"audio has shape {samples.shape}, not channels x samples")
        if not np.isfinite(samples).all():
            bad = int(np.count_nonzero(~np.isfinite(samples)))
            raise SignalError(f"audio has {bad} samples that are NaN or infinite")
        if not isinstance(self.sample_rate, int) or self.sample_rate < 1:
            raise SignalError(f"sample rate is {self.sample_rate!r}, not a positive integer in Hz")

    @property
    def num_channels(self) -> int:
        """Channels."""
        return int(self.samples.shape[0])

    @property
    def num_samples(self) -> int:
        """Samples a channel."""
        return int(self.samples.shape[1])

    @property
    def num_units(self) -> int:
        """What the rate is counted per: channels x samples."""
        return self.num_channels * self.num_samples

    def sha256(self) -> str:
        """Hash of shape, sample rate and the samples rounded to 16 bits.

        The rounding keeps the last bits of floating point, which differ between CPU types,
        out of the hash.
        """
        digest = hashlib.sha256(repr((self.samples.shape, self.sample_rate)).encode())
        pcm16 = np.clip(np.rint(self.samples * 32768.0), -32768, 32767).astype("<i2")
        digest.update(pcm16.tobytes())
        return digest.hexdigest()


Signal: TypeAlias = Image | Audio


def require_same_form(reference: Signal, decoded: Signal) -> None:
    """Raise SignalError unless both have one type, shape and sample rate."""
    if isinstance(reference, Image) and isinstance(decoded, Image):
        if reference.pixels.shape != decoded.pixels.shape:
            raise SignalError(
                f"decoded image has shape {decoded.pixels.shape}, "
                f"the original {reference.pixels.shape}"
            )
    elif isinstance(reference, Audio) and isinstance(decoded, Audio):
        if reference.samples.shape != decoded.samples.shape:
            raise SignalError(
                f"decoded audio has shape {decoded.samples.shape}, "
                f"the original {reference.samples.shape}"
            )
        if reference.sample_rate != decoded.sample_rate:
            raise SignalError(
                f"decoded audio has {decoded.sample_rate} Hz, the original {reference.sample_rate}"
            )
    else:
        raise SignalError(
            f"decoded signal is {type(decoded).__name__}, the original {type(reference).__name__}"
        )
