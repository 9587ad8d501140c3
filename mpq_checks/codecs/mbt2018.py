"""MBT2018, the learned image codec of Minnen, Ballé and Toderici (2018), through compressai.

"Joint Autoregressive and Hierarchical Priors for Learned Image Compression", NeurIPS 2018.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mpq_checks.assets import asset_path, asset_sha256
from mpq_checks.codecs.checks import require_image, require_integer
from mpq_checks.errors import AssetCorruptError, CodecSettingError, ModelError
from mpq_checks.shipped import read_config, read_weights, weights_sha256
from mpq_checks.signals import Image
from mpq_checks.torch_stack import import_compressai

if TYPE_CHECKING:
    from mpq_checks.codecs.latents.images import LatentImageCoder

__all__ = ["Mbt2018", "image_coder"]

_COMPACT = "mbt2018-compact"
_COMPACT_MAGIC = b"Mc"
_ARCHITECTURE = "JointAutoregressiveHierarchicalPriors"


@dataclass(frozen=True)
class Mbt2018:
    """MBT2018 with real bit streams, on the CPU.

    `weights="official"` are compressai's checkpoints of `zoo.mbt2018(quality, metric="mse")`,
    quality 1..8; images are padded with black, as the paper this package follows did.
    `weights="compact"` is a network of fewer channels that comes with this package, trained for
    the rate of quality 1; images are padded by their outermost pixels.

    A stream is compressai's in content (same networks, tables and range coder), not in layout: one
    range coder stream instead of two, latents in wavefront order, means and scales computed
    exactly (see `mpq_checks.codecs.latents`). The same image gives the same bytes in any batch and
    with any number of threads. The encoder's transforms are float32, so that another processor may
    code an image in slightly other bytes; it decodes these ones to the same latents.

    Raises:
        CodecSettingError: a quality or weights that there are not.
    """

    quality: int = 1
    weights: Literal["official", "compact"] = "official"

    def __post_init__(self) -> None:
        """Refuse what there are no weights for."""
        if self.weights not in ("official", "compact"):
            raise CodecSettingError(
                f"MBT2018 weights are {self.weights!r}; they are 'official' or 'compact'"
            )
        if self.weights == "compact":
            require_integer("MBT2018 quality", self.quality, 1, 1, " with compact weights")
        require_integer("MBT2018 quality", self.quality, 1, 8)

    @property
    def name(self) -> str:
        """`mbt2018-q1`, or `mbt2018-compact`."""
        return _COMPACT if self.weights == "compact" else f"mbt2018-q{self.quality}"

    @property
    def modality(self) -> Literal["image"]:
        """Images."""
        return "image"

    @property
    def nominal_rate(self) -> None:
        """The bytes are counted."""
        return

    def identity(self) -> dict[str, str]:
        """Settings, the weights' SHA-256 and library versions.

        Raises:
            AssetError: official weights that are not here.
        """
        from importlib.metadata import version

        (*_, asset) = self.assets() or ("",)
        return {
            "codec": "mbt2018",
            "quality": str(self.quality),
            "weights": self.weights,
            "weights_sha256": asset_sha256(asset) if asset else weights_sha256(_COMPACT),
            "library": f"compressai {version('compressai')}, torch {version('torch')}",
        }

    def assets(self) -> tuple[str, ...]:
        """`mbt2018-1`..`mbt2018-8`; none for compact weights."""
        return (f"mbt2018-{self.quality}",) if self.weights == "official" else ()

    def encode(self, signal: Image, /) -> bytes:
        """A stream of its own form.

        Raises:
            SignalError: not an image.
            EncodingError: more than 2^26 pixels.
            AssetError: official weights that cannot be had.
        """
        return self.encode_batch([signal])[0]

    def decode(self, data: bytes, /) -> Image:
        """RGB pixels. Raises DecodingError, and AssetError as `encode` does."""
        return self.decode_batch([data])[0]

    def encode_batch(self, signals: Sequence[Image], /) -> list[bytes]:
        """The bytes that `encode` gives for each; sizes may differ. Raises as `encode` does."""
        for signal in signals:
            require_image(signal, self.name)
        return self._coder().encode(signals)

    def decode_batch(self, data: Sequence[bytes], /) -> list[Image]:
        """What `decode` gives for each. Raises as `decode` does."""
        return self._coder().decode(data)

    def _coder(self) -> "LatentImageCoder":
        if self.weights == "compact":
            return _compact_coder()
        (asset,) = self.assets()
        return _official_coder(self.quality, asset_path(asset))


@lru_cache(maxsize=1)
def _compact_coder() -> "LatentImageCoder":
    import_compressai()
    from compressai.models import JointAutoregressiveHierarchicalPriors

    config = read_config(_COMPACT)
    try:
        if config["architecture"] != _ARCHITECTURE:
            raise ModelError(f"{_COMPACT}: architecture is {config['architecture']!r}")
        model: Any = JointAutoregressiveHierarchicalPriors(int(config["N"]), int(config["M"]))
        model.load_state_dict(read_weights(_COMPACT))
    except (KeyError, RuntimeError, TypeError, ValueError) as exc:
        raise ModelError(
            f"{_COMPACT}: config.json and model.safetensors are not of one {_ARCHITECTURE}: "
            f"{type(exc).__name__}: {exc}"
        ) from exc
    return image_coder(model, _COMPACT, _COMPACT_MAGIC, "replicate")


@lru_cache(maxsize=2)
def _official_coder(quality: int, path: Path) -> "LatentImageCoder":
    name = f"mbt2018-q{quality}"
    model = _read_checkpoint(path, quality)
    return image_coder(model, name, f"M{quality}".encode(), "zeros")


def _read_checkpoint(path: Path, quality: int) -> Any:
    """compressai's model from a file in the form of its zoo. Raises AssetCorruptError."""
    import_compressai()
    import torch
    from compressai.zoo.image import cfgs, model_architectures
    from compressai.zoo.pretrained import load_pretrained

    filters, latents = cfgs["mbt2018"][quality]
    # Whatever a file that is not a checkpoint of this class makes torch and compressai raise.
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        model: Any = model_architectures["mbt2018"].from_state_dict(load_pretrained(state))
    except Exception as exc:
        raise AssetCorruptError(
            f"{path} is not a checkpoint of compressai's mbt2018: {type(exc).__name__}: {exc}"
        ) from exc
    if (filters, latents) != (model.N, model.M):
        raise AssetCorruptError(
            f"{path} is a network of {model.N} and {model.M} channels; mbt2018 of quality "
            f"{quality} has {filters} and {latents}"
        )
    return model


def image_coder(
    model: Any, name: str, magic: bytes, padding: Literal["zeros", "replicate"]
) -> "LatentImageCoder":
    """The coder around compressai's JointAutoregressiveHierarchicalPriors."""
    from mpq_checks.codecs.latents.coder import LatentCoder, Latents
    from mpq_checks.codecs.latents.images import LatentImageCoder

    model.eval()
    model.update()  # builds the range coder's tables where the checkpoint has none

    def analysis(x: Any) -> Latents:
        y = model.g_a(x)
        return Latents(y[0], model.h_a(y)[0])

    latents = LatentCoder(
        name,
        entropy_bottleneck=model.entropy_bottleneck,
        gaussian_conditional=model.gaussian_conditional,
        hyper_decoder=model.h_s,
        context_prediction=model.context_prediction,
        entropy_parameters=model.entropy_parameters,
    )
    return LatentImageCoder(name, magic, padding, analysis, model.g_s, latents)
