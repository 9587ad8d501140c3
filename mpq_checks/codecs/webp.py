"""Lossy WebP, through Pillow."""

from dataclasses import dataclass
from typing import Literal

from mpq_checks.codecs.checks import require_image, require_integer
from mpq_checks.codecs.pillow import decode_image, encode_image, pillow_version
from mpq_checks.errors import DecodingError, EncodingError
from mpq_checks.signals import Image

__all__ = ["WebP"]

_MAX_SIDE = 16_383
_RIFF_HEADER_BYTES = 8


@dataclass(frozen=True)
class WebP:
    """Lossy WebP as `PIL.Image.save(quality=...)` writes it, effort (`method`) 4 by default.

    The format has no greyscale. Truncated streams are refused; a flipped bit is not always
    noticed, as the format has no checksum.

    Raises:
        CodecSettingError: a quality outside 0..100.
    """

    quality: int = 0

    def __post_init__(self) -> None:
        """Refuse qualities that the format does not have."""
        require_integer("WebP quality", self.quality, 0, 100)

    @property
    def name(self) -> str:
        """`webp-q0`."""
        return f"webp-q{self.quality}"

    @property
    def modality(self) -> Literal["image"]:
        """Images."""
        return "image"

    @property
    def nominal_rate(self) -> None:
        """The bytes are counted."""
        return

    def identity(self) -> dict[str, str]:
        """Settings and library versions."""
        library = pillow_version("webp")
        return {"codec": "webp", "quality": str(self.quality), "library": library}

    def assets(self) -> tuple[str, ...]:
        """None needed."""
        return ()

    def encode(self, signal: Image, /) -> bytes:
        """A WebP file. Raises SignalError or, beyond 16,383 pixels a side, EncodingError."""
        image = require_image(signal, self.name)
        if max(image.height, image.width) > _MAX_SIDE:
            raise EncodingError(
                f"{self.name}: {image.width} x {image.height} pixels; WebP has at most "
                f"{_MAX_SIDE} a side"
            )
        return encode_image(image, "WEBP", quality=self.quality)

    def decode(self, data: bytes, /) -> Image:
        """RGB pixels. Raises DecodingError."""
        stated = int.from_bytes(data[4:8], "little") + _RIFF_HEADER_BYTES
        if data[:4] != b"RIFF" or data[8:12] != b"WEBP" or stated != len(data):
            raise DecodingError(f"{self.name}: {len(data)} bytes are not one whole WebP file")
        return decode_image(data, "WEBP", self.name)
