"""HiFiC, the generative image codec of Mentzer, Toderici, Tschannen and Agustsson (2020).

"High-Fidelity Generative Image Compression", NeurIPS 2020.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

from mpq_checks.codecs import tfci
from mpq_checks.codecs.checks import require_image
from mpq_checks.errors import CodecSettingError, ModelError
from mpq_checks.shipped import read_config, read_weights, weights_sha256
from mpq_checks.signals import Image

if TYPE_CHECKING:
    from mpq_checks.codecs.latents.images import LatentImageCoder

__all__ = ["HiFiC"]

_COMPACT = "hific-compact"
_MAGIC = b"Hc"


@dataclass(frozen=True)
class HiFiC:
    """HiFiC with real bit streams, on the CPU.

    `weights="official"` runs the metagraph that its authors published, quality `lo`, `mi` or `hi`
    (0.14, 0.30 and 0.45 bits per pixel aimed at), in an environment of its own with
    tensorflow-compression: see docs/how-to/official-neural-codecs.md. `weights="compact"` is a
    network of fewer filters that comes with this package, quality `lo` only; images are padded by
    their outermost pixels. The same image gives the same bytes in any batch and with any number of
    threads.

    Raises:
        CodecSettingError: a quality or weights that there are not.
    """

    quality: Literal["lo", "mi", "hi"] = "lo"
    weights: Literal["official", "compact"] = "official"

    def __post_init__(self) -> None:
        """Refuse what there are no weights for."""
        if self.weights not in ("official", "compact"):
            raise CodecSettingError(
                f"HiFiC weights are {self.weights!r}; they are 'official' or 'compact'"
            )
        legal = ("lo",) if self.weights == "compact" else ("lo", "mi", "hi")
        if self.quality not in legal:
            raise CodecSettingError(
                f"HiFiC quality is {self.quality!r}; with {self.weights} weights there are "
                f"{', '.join(legal)}"
            )

    @property
    def name(self) -> str:
        """`hific-lo`, or `hific-compact`."""
        return _COMPACT if self.weights == "compact" else f"hific-{self.quality}"

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
            AssetError: an official metagraph that is not here.
            CodecError: no environment for it.
        """
        from importlib.metadata import version

        settings = {"codec": "hific", "quality": self.quality, "weights": self.weights}
        if self.weights == "official":
            return {**settings, **tfci.identity(self.quality)}
        return {
            **settings,
            "weights_sha256": weights_sha256(_COMPACT),
            "library": f"compressai {version('compressai')}, torch {version('torch')}",
        }

    def assets(self) -> tuple[str, ...]:
        """None: compact weights ship, and the official metagraph has no published hash."""
        return ()

    def encode(self, signal: Image, /) -> bytes:
        """A stream of its own form.

        Raises:
            SignalError: not an image.
            EncodingError: too many pixels, or the encoder failed.
            AssetError: an official metagraph that cannot be had.
            CodecError: no environment for it.
        """
        return self.encode_batch([signal])[0]

    def decode(self, data: bytes, /) -> Image:
        """RGB pixels. Raises DecodingError, and AssetError or CodecError as `encode` does."""
        return self.decode_batch([data])[0]

    def encode_batch(self, signals: Sequence[Image], /) -> list[bytes]:
        """The bytes that `encode` gives for each; sizes may differ. Raises as `encode` does."""
        for signal in signals:
            require_image(signal, self.name)
        if self.weights == "official":
            return [tfci.encode(self.quality, signal) for signal in signals]
        return _compact_coder().encode(signals)

    def decode_batch(self, data: Sequence[bytes], /) -> list[Image]:
        """What `decode` gives for each. Raises as `decode` does."""
        if self.weights == "official":
            return [tfci.decode(self.quality, one) for one in data]
        return _compact_coder().decode(data)


@lru_cache(maxsize=1)
def _compact_coder() -> "LatentImageCoder":
    from mpq_checks.codecs.hific_network import HificNetwork, HificSizes
    from mpq_checks.codecs.latents.coder import LatentCoder, Latents
    from mpq_checks.codecs.latents.images import LatentImageCoder

    config = read_config(_COMPACT)
    try:
        sizes = dict(config["sizes"])
        network = HificNetwork(HificSizes(**{**sizes, "widths": tuple(sizes["widths"])}))
        network.load_state_dict(read_weights(_COMPACT))
    except (KeyError, RuntimeError, TypeError, ValueError) as exc:
        raise ModelError(
            f"{_COMPACT}: config.json and model.safetensors are not of one HificNetwork: "
            f"{type(exc).__name__}: {exc}"
        ) from exc

    network.eval()

    def analysis(x: Any) -> Latents:
        y = network.g_a(x)
        return Latents(y[0], network.h_a(y)[0])

    latents = LatentCoder(
        _COMPACT,
        entropy_bottleneck=network.entropy_bottleneck,
        gaussian_conditional=network.gaussian_conditional,
        hyper_decoder=network.h_s,
    )
    return LatentImageCoder(_COMPACT, _MAGIC, "replicate", analysis, network.g_s, latents)
