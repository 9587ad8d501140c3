"""MS-ILLM (Muckley et al., 2023), HiFiC's successor, through the neuralcompression package.

"Improving Statistical Fidelity for Neural Image Compression with Implicit Local Likelihood
Models", ICML 2023; the very low rates are of Careil et al., ICLR 2024. The package is an optional
extra (`pip install "mpq-checks[msillm]"`), and its weights are CC-BY-NC 4.0: not for commercial
use. They come without a published hash: see `mpq_checks.assets.unpinned`.
"""

import contextlib
import importlib.util
import warnings
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

import numpy as np

from mpq_checks.assets.unpinned import UnpinnedFile, unpinned_path, unpinned_sha256
from mpq_checks.codecs.checks import require_image
from mpq_checks.codecs.stream import pack, unpack
from mpq_checks.errors import (
    AssetCorruptError,
    CodecError,
    CodecSettingError,
    DecodingError,
    EncodingError,
)
from mpq_checks.signals import Image
from mpq_checks.torch_stack import prepare

__all__ = ["CHECKPOINTS", "Msillm", "MsillmQuality"]

MsillmQuality: TypeAlias = Literal["vlo1", "vlo2", "1", "2", "3", "4", "5", "6"]

_MAGIC = b"MI"
_URL_PREFIX = "https://dl.fbaipublicfiles.com/NeuralCompression/2023-muckley-msillm"
_BITS_PER_PIXEL: dict[MsillmQuality, str] = {
    "vlo1": "0.00218",
    "vlo2": "0.00438",
    "1": "0.035",
    "2": "0.07",
    "3": "0.14",
    "4": "0.3",
    "5": "0.45",
    "6": "0.9",
}
_FACTOR = 64
_MAX_PIXELS = 1 << 25

CHECKPOINTS: dict[str, UnpinnedFile] = {
    quality: UnpinnedFile(
        name=f"msillm-{quality}",
        filename=f"msillm_target_{bits_per_pixel}bpp.ckpt",
        url=f"{_URL_PREFIX}/msillm_target_{bits_per_pixel}bpp.ckpt",
        max_bytes=2_000_000_000,
        licence="CC-BY-NC-4.0",
    )
    for quality, bits_per_pixel in _BITS_PER_PIXEL.items()
}
"""By quality, the official checkpoints."""


@dataclass(frozen=True)
class Msillm:
    """MS-ILLM at one of its rates, on the CPU, with the model's own range coder.

    `quality` is `1`..`6` (0.035, 0.07, 0.14, 0.3, 0.45, 0.9 bits per pixel aimed at), or `vlo1`,
    `vlo2` (0.00218, 0.00438). The model pads by reflection to a multiple of 64; sides too small
    for that are reflected repeatedly. The header holds the size, the length of the first string
    and a checksum of the decoded latents: probabilities are computed in floating point, so that
    another machine may decode other latents, which is noticed and refused.

    Raises:
        CodecSettingError: another quality.
    """

    quality: MsillmQuality = "3"

    def __post_init__(self) -> None:
        """Refuse qualities that there are no weights for."""
        if self.quality not in get_args(MsillmQuality):
            raise CodecSettingError(
                f"MS-ILLM quality is {self.quality!r}; there are "
                f"{', '.join(map(repr, get_args(MsillmQuality)))}"
            )

    @property
    def name(self) -> str:
        """`msillm-3`."""
        return f"msillm-{self.quality}"

    @property
    def modality(self) -> Literal["image"]:
        """Images."""
        return "image"

    @property
    def nominal_rate(self) -> None:
        """The bytes are counted."""
        return

    def identity(self) -> dict[str, str]:
        """Weights' SHA-256 and libraries. Raises CodecError without the package, AssetError."""
        _require_package()
        from importlib.metadata import version

        packages = ("neuralcompression", "compressai", "torch")
        return {
            "codec": "msillm",
            "quality": self.quality,
            "weights_sha256": unpinned_sha256(CHECKPOINTS[self.quality]),
            "library": ", ".join(f"{package} {version(package)}" for package in packages),
        }

    def assets(self) -> tuple[str, ...]:
        """None that is pinned; the checkpoint is fetched by hand or `mpq fetch-official`."""
        return ()

    def encode(self, signal: Image, /) -> bytes:
        """Header and the model's two strings.

        Raises:
            SignalError: not an image.
            EncodingError: more than 2**25 pixels.
            CodecError: the package is not installed.
            AssetError: no checkpoint, or one that is not of this model.
        """
        image = require_image(signal, self.name)
        if _padded(image.height) * _padded(image.width) > _MAX_PIXELS:
            raise EncodingError(
                f"{self.name}: {image.width} x {image.height} pixels; at most {_MAX_PIXELS}"
            )
        model = _model(unpinned_path(CHECKPOINTS[self.quality]))
        strings = _compress(model, image)
        symbols, _ = _latents(model, strings, image.height, image.width)
        hyper, main = strings
        header = (image.height, image.width, _checksum(symbols), len(hyper))
        return pack(_MAGIC, header, hyper + main)

    def decode(self, data: bytes, /) -> Image:
        """Rebuild the image from the bytes alone.

        Raises:
            DecodingError: not a whole stream of this codec, or latents other than those encoded.
            CodecError: the package is not installed.
            AssetError: no checkpoint, or one that is not of this model.
        """
        (height, width, expected, length), payload = unpack(_MAGIC, 4, data, self.name)
        if min(height, width) < 1 or _padded(height) * _padded(width) > _MAX_PIXELS:
            raise DecodingError(
                f"{self.name}: the header states an image of {width} x {height} pixels"
            )
        if not 0 < length < len(payload):
            raise DecodingError(f"{self.name}: the header states strings that are not there")
        model = _model(unpinned_path(CHECKPOINTS[self.quality]))
        strings = payload[:length], payload[length:]
        symbols, latents = _latents(model, strings, height, width)
        if _checksum(symbols) != expected:
            raise DecodingError(
                f"{self.name}: the latents decoded here are not those that were encoded: another "
                f"quality, or a machine that computes other probabilities. Decode where, and with "
                f"the versions with which, the stream was encoded."
            )
        return _generate(model, latents, height, width)


def _padded(side: int) -> int:
    return -(-side // _FACTOR) * _FACTOR


def _compress(model: Any, image: Image) -> tuple[bytes, bytes]:
    """The strings of hyperlatents and latents, by the model's own method."""
    import torch

    margins = [(0, _padded(side) - side) for side in (image.height, image.width)]
    padded = np.pad(image.pixels, [*margins, (0, 0)], mode="reflect")
    pixels = torch.from_numpy(padded.transpose(2, 0, 1).astype(np.float32) / np.float32(255))
    with torch.inference_mode():
        coded = model.compress(pixels[None])
    return coded.hyper_latent_strings[0], coded.latent_strings[0]


def _latents(model: Any, strings: tuple[bytes, bytes], height: int, width: int) -> tuple[Any, Any]:
    """Symbols of the hyperlatents and latents, and the latents with their means added.

    It is the first half of the model's `decompress`, which does not hand them out.
    """
    import torch

    hyper_string, string = strings
    hyper_size = (_padded(height) // _FACTOR, _padded(width) // _FACTOR)
    with torch.inference_mode():
        hyper = model.hyper_bottleneck.decompress([hyper_string], hyper_size)
        means = model.hyper_synthesis_mean(hyper)
        indexes = model.latent_bottleneck.build_indexes(model.hyper_synthesis_scale(hyper))
        latents = model.latent_bottleneck.decompress([string], indexes, means=means)
        symbols = torch.cat([hyper.flatten(), (latents - means).round().flatten()])
    return symbols, latents


def _checksum(symbols: Any) -> int:
    return zlib.crc32(symbols.numpy().astype("<i4").tobytes())


def _generate(model: Any, latents: Any, height: int, width: int) -> Image:
    import torch

    with torch.inference_mode():
        pixels = model.decoder(latents)[0, :, :height, :width].clamp(0, 1) * 255
    rounded = pixels.round().to(torch.uint8).numpy().transpose(1, 2, 0)
    return Image(np.ascontiguousarray(rounded))


def _require_package() -> None:
    if importlib.util.find_spec("neuralcompression") is None:
        raise CodecError(
            "MS-ILLM needs the package neuralcompression, which is not installed; run "
            '`pip install "mpq-checks[msillm]"` (Python 3.11)'
        )


def _model(path: Path) -> Any:
    """The model with its weights, ready to code; remembered until the file changes."""
    _require_package()
    return _load(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=1)
def _load(path: Path, _mtime_ns: int) -> Any:
    prepare()
    import torch

    with _quiet():
        from neuralcompression.models import (  # type: ignore[import-not-found,import-untyped,unused-ignore]
            HiFiCAutoencoder,
        )
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        model = HiFiCAutoencoder()
        model.load_state_dict(state)
    except Exception as exc:  # whatever a foreign file makes torch raise
        reason = (str(exc).strip().splitlines() or ["no reason given"])[0]
        raise AssetCorruptError(
            f"{path} is no checkpoint of MS-ILLM: {type(exc).__name__}: {reason}. Put the official "
            f"file there."
        ) from exc
    model.eval().requires_grad_(False)
    model.update_tensor_devices("compress")
    return model


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """What old code in neuralcompression's own dependencies makes Python warn of."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
