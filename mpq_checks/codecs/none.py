"""No compression: the reference that every other codec is held against."""

from dataclasses import dataclass

import numpy as np

from mpq_checks.codecs.checks import require_audio, require_image
from mpq_checks.codecs.stream import pack, unpack
from mpq_checks.errors import CodecSettingError, DecodingError
from mpq_checks.signals import Audio, Image, Modality, Signal

__all__ = ["NoCodec"]

_NOMINAL_RATES = {"image": 24.0, "audio": 16.0}
_IMAGE_MAGIC = b"n1"
_AUDIO_MAGIC = b"N1"


@dataclass(frozen=True)
class NoCodec:
    """Passes signals through exactly. Reports 24 bits a pixel and 16 bits a sample.

    Raises:
        CodecSettingError: a modality other than `image` and `audio`.
    """

    modality: Modality

    def __post_init__(self) -> None:
        """Refuse an unknown modality."""
        if self.modality not in _NOMINAL_RATES:
            raise CodecSettingError(f"modality is {self.modality!r}; it is 'image' or 'audio'")

    @property
    def name(self) -> str:
        """`none`."""
        return "none"

    @property
    def nominal_rate(self) -> float:
        """Bits per pixel or sample of the uncompressed signal."""
        return _NOMINAL_RATES[self.modality]

    def identity(self) -> dict[str, str]:
        """The codec's name: nothing else bears on the signal."""
        return {"codec": self.name}

    def assets(self) -> tuple[str, ...]:
        """None needed."""
        return ()

    def encode(self, signal: Signal, /) -> bytes:
        """Raw pixels, or raw float32 samples. Raises SignalError for the other modality."""
        if self.modality == "image":
            image = require_image(signal, self.name)
            return pack(_IMAGE_MAGIC, image.pixels.shape[:2], image.pixels.tobytes())
        audio = require_audio(signal, self.name)
        integers = (audio.sample_rate, *audio.samples.shape)
        return pack(_AUDIO_MAGIC, integers, audio.samples.astype("<f4").tobytes())

    def decode(self, data: bytes, /) -> Signal:
        """The signal, bit for bit. Raises DecodingError."""
        if self.modality == "image":
            (height, width), payload = unpack(_IMAGE_MAGIC, 2, data, self.name)
            self._require_size(payload, height * width * 3)
            pixels = np.frombuffer(payload, np.uint8).reshape(height, width, 3)
            return Image(pixels.copy())
        (rate, channels, length), payload = unpack(_AUDIO_MAGIC, 3, data, self.name)
        self._require_size(payload, channels * length * 4)
        samples = np.frombuffer(payload, "<f4").reshape(channels, length)
        return Audio(samples.astype(np.float32), rate)

    def _require_size(self, payload: bytes, expected: int) -> None:
        if len(payload) != expected or expected == 0:
            raise DecodingError(
                f"{self.name}: {len(payload)} bytes follow a header that states {expected}"
            )
