"""Images to streams and back, given a network's transforms and the coder of its latents.

Stream: the header of `mpq_checks.codecs.stream` with height and width, then the latents'. Images
are padded on all sides to whole multiples of 64 pixels, and cropped after.

The transforms run on one image at a time and one thread: in float32 their last bits depend on
both, and a latent that lies halfway between two symbols turns on them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from mpq_checks.codecs.checks import require_image
from mpq_checks.codecs.latents.coder import LatentCoder, Latents
from mpq_checks.codecs.one_thread import one_thread
from mpq_checks.codecs.stream import pack, unpack
from mpq_checks.errors import DecodingError, EncodingError
from mpq_checks.signals import Image

__all__ = ["MAX_PIXELS", "STRIDE", "LatentImageCoder"]

STRIDE = 64
"""Pixels a side that one hyper-latent stands for."""

MAX_PIXELS = 1 << 26
"""Pixels of the padded image."""


@dataclass(frozen=True, eq=False)
class LatentImageCoder:
    """A learned image codec whose hyper-latents are a 64th of the image.

    Attributes:
        name: the codec's, for error messages.
        magic: 2 bytes that no other codec's streams begin with.
        padding: what surrounds an image: black, or its outermost pixels.
        analysis: 1 x 3 x height x width in 0..1 to its latents.
        synthesis: y, 1 x channels x height/16 x width/16, to 1 x 3 x height x width, about 0..1.
        latents: codes what analysis gives.
    """

    name: str
    magic: bytes
    padding: Literal["zeros", "replicate"]
    analysis: Callable[[Tensor], Latents]
    synthesis: Callable[[Tensor], Tensor]
    latents: LatentCoder

    def encode(self, images: Sequence[Image]) -> list[bytes]:
        """A stream for each image; sizes may differ.

        Raises:
            SignalError: one is not an image.
            EncodingError: one has more than 2^26 pixels, or latents that cannot be coded.
        """
        with one_thread():
            latents = [self._analyse(require_image(image, self.name)) for image in images]
        with torch.inference_mode():
            streams = self.latents.encode(latents)
        return [
            pack(self.magic, (image.height, image.width), stream)
            for image, stream in zip(images, streams, strict=True)
        ]

    def decode(self, data: Sequence[bytes]) -> list[Image]:
        """The images. Raises DecodingError."""
        sizes, streams = [], []
        for one in data:
            (height, width), stream = unpack(self.magic, 2, one, self.name)
            self._require_possible(height, width, stream)
            sizes.append((height, width))
            streams.append(stream)
        z_sizes = [(_blocks(height), _blocks(width)) for height, width in sizes]
        with torch.inference_mode():
            latents = self.latents.decode(streams, z_sizes)
        with one_thread():
            return [self._synthesise(y, size) for y, size in zip(latents, sizes, strict=True)]

    def _analyse(self, image: Image) -> Latents:
        if _padded_pixels(image.height, image.width) > MAX_PIXELS:
            raise EncodingError(
                f"{self.name}: {image.width} x {image.height} pixels; it codes up to {MAX_PIXELS}"
            )
        pixels = torch.from_numpy(np.ascontiguousarray(image.pixels.transpose(2, 0, 1)))
        top, bottom = _margins(image.height)
        left, right = _margins(image.width)
        mode = "constant" if self.padding == "zeros" else "replicate"
        x = pixels[None].float().div_(255)
        return self.analysis(F.pad(x, (left, right, top, bottom), mode=mode))

    def _synthesise(self, y: Tensor, size: tuple[int, int]) -> Image:
        height, width = size
        top, left = _margins(height)[0], _margins(width)[0]
        x = self.synthesis(y[None])[0, :, top : top + height, left : left + width]
        pixels = x.clamp(0, 1).mul(255).round().byte().permute(1, 2, 0)
        return Image(np.ascontiguousarray(pixels.numpy()))

    def _require_possible(self, height: int, width: int, stream: bytes) -> None:
        """Refuse before anything is allocated what no encoder wrote."""
        if not (height and width) or _padded_pixels(height, width) > MAX_PIXELS:
            raise DecodingError(
                f"{self.name}: the header states {width} x {height} pixels; it codes 1 to "
                f"{MAX_PIXELS}"
            )
        fewest = self.latents.fewest_bytes(_blocks(height), _blocks(width))
        if len(stream) < fewest:
            raise DecodingError(
                f"{self.name}: {len(stream)} bytes cannot hold {width} x {height} pixels, which "
                f"take {fewest:.0f} or more"
            )


def _blocks(side: int) -> int:
    return -(-side // STRIDE)


def _padded_pixels(height: int, width: int) -> int:
    return _blocks(height) * _blocks(width) * STRIDE * STRIDE


def _margins(side: int) -> tuple[int, int]:
    missing = _blocks(side) * STRIDE - side
    return missing // 2, missing - missing // 2
