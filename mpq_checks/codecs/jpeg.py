"""JPEG, through Pillow."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from mpq_checks.codecs.checks import require_image, require_integer
from mpq_checks.codecs.pillow import decode_image, encode_image, pillow_version
from mpq_checks.errors import DecodingError, EncodingError
from mpq_checks.signals import Image

__all__ = ["Jpeg"]

_MAX_SIDE = 65_500
"""libjpeg's limit; the format's own is 65,535."""


@dataclass(frozen=True)
class Jpeg:
    """Baseline JPEG as `PIL.Image.save(quality=...)` writes it, 4:2:0 by Pillow's default.

    `quality` is 1..95: libjpeg silently makes 1 of 0, and Pillow advises against more than 95,
    where quantisation all but ends and files only grow. Images whose three channels are equal are
    coded as greyscale and decoded to RGB by repetition. Truncated streams are refused; a flipped
    bit inside the entropy-coded data is not always noticed, as the format has no checksum.

    Raises:
        CodecSettingError: another quality.
    """

    quality: int = 5

    def __post_init__(self) -> None:
        """Refuse qualities that the encoder would change."""
        require_integer("JPEG quality", self.quality, 1, 95)

    @property
    def name(self) -> str:
        """`jpeg-q5`."""
        return f"jpeg-q{self.quality}"

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
        library = pillow_version("libjpeg_turbo")
        return {"codec": "jpeg", "quality": str(self.quality), "library": library}

    def assets(self) -> tuple[str, ...]:
        """None needed."""
        return ()

    def encode(self, signal: Image, /) -> bytes:
        """A JPEG file. Raises SignalError or, beyond 65,500 pixels a side, EncodingError."""
        image = require_image(signal, self.name)
        if max(image.height, image.width) > _MAX_SIDE:
            raise EncodingError(
                f"{self.name}: {image.width} x {image.height} pixels; JPEG has at most "
                f"{_MAX_SIDE} a side"
            )
        first = image.pixels[..., :1]
        greyscale = bool(np.array_equal(np.broadcast_to(first, image.pixels.shape), image.pixels))
        return encode_image(image, "JPEG", quality=self.quality, greyscale=greyscale)

    def decode(self, data: bytes, /) -> Image:
        """RGB pixels. Raises DecodingError."""
        if data[:2] != b"\xff\xd8" or data[-2:] != b"\xff\xd9":
            raise DecodingError(f"{self.name}: {len(data)} bytes are not one whole JPEG file")
        return decode_image(data, "JPEG", self.name)
