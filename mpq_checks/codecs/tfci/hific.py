"""HiFiC with its official weights (Mentzer et al., 2020), as bytes in and bytes out.

The bit string is what `tfci.py compress hific-lo` writes, less the name of the model; before it
stands our header with the size, a checksum and the checksum of the latents. The metagraph and
tensorflow-compression do the coding; see `runner`.
"""

from typing import Literal, TypeAlias, get_args

import numpy as np

from mpq_checks.assets.unpinned import UnpinnedFile, unpinned_path, unpinned_sha256
from mpq_checks.codecs.checks import require_image
from mpq_checks.codecs.stream import pack, unpack
from mpq_checks.codecs.tfci import process
from mpq_checks.codecs.tfci.environment import interpreter, versions
from mpq_checks.codecs.tfci.runner import MAX_PIXELS
from mpq_checks.errors import CodecSettingError, DecodingError, EncodingError
from mpq_checks.signals import Image

__all__ = ["METAGRAPHS", "Quality", "decode", "encode", "identity"]

Quality: TypeAlias = Literal["lo", "mi", "hi"]

_URL_PREFIX = "https://storage.googleapis.com/tensorflow_compression/metagraphs"
_MAGICS: dict[str, bytes] = {"lo": b"HL", "mi": b"HM", "hi": b"HH"}
# Padding by reflection inside the graph needs sides of at least what it pads to.
_MIN_SIDE = 64

METAGRAPHS: dict[str, UnpinnedFile] = {
    quality: UnpinnedFile(
        name=f"hific-{quality}",
        filename=f"hific-{quality}.metagraph",
        url=f"{_URL_PREFIX}/hific-{quality}.metagraph",
        max_bytes=1_500_000_000,
        licence="Apache-2.0 (code); the weights' own licence is not stated",
    )
    for quality in get_args(Quality)
}
"""By quality. No hash of them is published."""


def encode(quality: Quality, image: Image) -> bytes:
    """Compress an image of 1 x 1 pixels or more.

    Sides below 64 are continued by reflection to 64 before coding and cut back afterwards.

    Raises:
        CodecSettingError: another quality.
        SignalError: not an image.
        EncodingError: more than 2**25 pixels, or the graph failed, hung or died.
        CodecError: no tfci environment, or the runner cannot start.
        AssetError: no metagraph.
    """
    name = _name(quality)
    image = require_image(image, name)
    if max(image.height, _MIN_SIDE) * max(image.width, _MIN_SIDE) > MAX_PIXELS:
        raise EncodingError(
            f"{name}: {image.width} x {image.height} pixels; at most {MAX_PIXELS} are coded"
        )
    margins = [(0, max(0, _MIN_SIDE - side)) for side in (image.height, image.width)]
    padded = Image(np.pad(image.pixels, [*margins, (0, 0)], mode="reflect"))
    with process.running(interpreter(), unpinned_path(METAGRAPHS[quality])) as runner:
        checksum, payload = runner.encode(padded, name)
    return pack(_MAGICS[quality], (image.height, image.width, checksum), payload)


def decode(quality: Quality, data: bytes) -> Image:
    """Rebuild the image from the bytes alone.

    Raises:
        CodecSettingError: another quality.
        DecodingError: not a whole stream of this quality, latents other than those encoded (this
            machine computes other probabilities than the encoder's did), or the graph failed.
        CodecError: no tfci environment, or the runner cannot start.
        AssetError: no metagraph.
    """
    name = _name(quality)
    (height, width, expected), payload = unpack(_MAGICS[quality], 3, data, name)
    sides = [max(side, _MIN_SIDE) for side in (height, width)]
    if min(height, width) < 1 or sides[0] * sides[1] > MAX_PIXELS:
        raise DecodingError(f"{name}: the header states an image of {width} x {height} pixels")
    with process.running(interpreter(), unpinned_path(METAGRAPHS[quality])) as runner:
        checksum, image = runner.decode(payload, name)
    if checksum != expected:
        raise DecodingError(
            f"{name}: the latents decoded here are not those that were encoded (checksum "
            f"{checksum:08x}, not {expected:08x}). Decode where, and with the versions with "
            f"which, the stream was encoded."
        )
    if [image.height, image.width] != sides:
        raise DecodingError(
            f"{name}: the image has {image.width} x {image.height} pixels, not the {sides[1]} x "
            f"{sides[0]} of the header"
        )
    return Image(np.ascontiguousarray(image.pixels[:height, :width]))


def identity(quality: Quality) -> dict[str, str]:
    """Weights' SHA-256 and library versions. Raises as `encode` does."""
    _name(quality)
    return {
        "metagraph_sha256": unpinned_sha256(METAGRAPHS[quality]),
        "library": versions(interpreter()),
        "threads": "1",
    }


def _name(quality: str) -> str:
    if quality not in METAGRAPHS:
        raise CodecSettingError(
            f"HiFiC quality is {quality!r}; there are {', '.join(get_args(Quality))}"
        )
    return f"hific-{quality}"
