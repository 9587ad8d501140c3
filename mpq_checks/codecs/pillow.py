"""Encoding and decoding images through Pillow, strictly."""

import io
import warnings

import numpy as np

from mpq_checks.errors import DecodingError, EncodingError
from mpq_checks.signals import Image

__all__ = ["decode_image", "encode_image", "pillow_version"]


def encode_image(
    image: Image, image_format: str, *, quality: int, greyscale: bool = False
) -> bytes:
    """`PIL.Image.save` with this quality and Pillow's defaults otherwise. Raises EncodingError."""
    from PIL import Image as PilImage

    pixels = image.pixels[..., 0] if greyscale else image.pixels
    out = io.BytesIO()
    try:
        PilImage.fromarray(np.ascontiguousarray(pixels)).save(
            out, format=image_format, quality=quality
        )
    except (OSError, ValueError, MemoryError) as exc:
        raise EncodingError(
            f"{image_format} cannot encode {image.width} x {image.height} pixels: {exc}"
        ) from exc
    return out.getvalue()


def decode_image(data: bytes, image_format: str, codec: str) -> Image:
    """Decode one still RGB or greyscale image of exactly this format.

    Raises:
        DecodingError: other bytes, a truncated or damaged stream as far as the decoder notices,
            or another colour model than the encoder writes.
    """
    from PIL import Image as PilImage
    from PIL import ImageFile

    if ImageFile.LOAD_TRUNCATED_IMAGES:
        raise DecodingError(
            f"{codec}: PIL.ImageFile.LOAD_TRUNCATED_IMAGES is on, so that damaged images would "
            f"pass as whole ones; set it to False"
        )
    try:
        with warnings.catch_warnings():
            # What the encoder took may be large: a size is no reason for doubt here.
            warnings.simplefilter("ignore", PilImage.DecompressionBombWarning)
            with PilImage.open(io.BytesIO(data), formats=[image_format]) as opened:
                opened.load()
                mode, frames = opened.mode, getattr(opened, "n_frames", 1)
                pixels = np.asarray(opened.convert("RGB"))
    # SyntaxError is how Pillow reports a broken marker, the others damaged headers.
    except (OSError, ValueError, SyntaxError, LookupError, TypeError, MemoryError) as exc:
        raise DecodingError(f"{codec}: {len(data)} bytes are no whole image: {exc}") from exc
    except PilImage.DecompressionBombError as exc:
        raise DecodingError(f"{codec}: {exc}") from exc
    if mode not in ("RGB", "L") or frames != 1:
        raise DecodingError(f"{codec}: {mode} image of {frames} frames is not of this codec")
    return Image(pixels)


def pillow_version(feature: str) -> str:
    """Version of the library that Pillow was built with for a format."""
    from importlib.metadata import version

    from PIL import features

    return f"pillow {version('pillow')}, {feature} {features.version(feature) or 'unknown'}"
