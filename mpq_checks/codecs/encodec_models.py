"""EnCodec's networks: the official ones from their checkpoints, the compact one as it ships."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, TypeAlias

from mpq_checks.assets import asset_path, asset_sha256
from mpq_checks.errors import CodecError, ModelError
from mpq_checks.shipped import read_config, read_weights
from mpq_checks.shipped import weights_sha256 as shipped_sha256
from mpq_checks.torch_stack import prepare

__all__ = [
    "BINS",
    "MODELS",
    "ModelName",
    "Spec",
    "encodec_version",
    "load_language_model",
    "load_model",
    "static_counts",
    "weights_sha256",
]

ModelName: TypeAlias = Literal["24khz", "48khz", "compact"]

BINS = 1024
"""Codes in a codebook, of all models: 10 bits."""

_COMPACT = "encodec-compact"
_COUNTS = "code_counts"


@dataclass(frozen=True)
class Spec:
    """What is fixed of a model.

    Attributes:
        magic: first bytes of its streams.
        sample_rate: in Hz.
        channels: that the network takes.
        hop: samples a frame of codes stands for.
        codebooks: how many a bandwidth in kbps takes.
        side_codebooks: for the compact model, how many of them the side signal of stereo takes.
        normalised: whether sound is brought to one level, which the stream states.
        segment, stride: length and distance of the stretches coded apart, in samples; 0: one.
        asset: name of the official checkpoint; none for the model that ships.
    """

    magic: bytes
    sample_rate: int
    channels: int
    hop: int
    codebooks: dict[float, int]
    side_codebooks: dict[float, int] | None = None
    normalised: bool = False
    segment: int = 0
    stride: int = 0
    asset: str = ""

    @property
    def frame_rate(self) -> int:
        """Frames of codes a second."""
        return self.sample_rate // self.hop


MODELS: dict[str, Spec] = {
    "24khz": Spec(
        magic=b"e2",
        sample_rate=24_000,
        channels=1,
        hop=320,
        codebooks={1.5: 2, 3.0: 4, 6.0: 8, 12.0: 16, 24.0: 32},
        asset="encodec-24khz",
    ),
    "48khz": Spec(
        magic=b"e4",
        sample_rate=48_000,
        channels=2,
        hop=320,
        codebooks={3.0: 2, 6.0: 4, 12.0: 8, 24.0: 16},
        normalised=True,
        segment=48_000,
        stride=47_520,
        asset="encodec-48khz",
    ),
    "compact": Spec(
        magic=b"ec",
        sample_rate=16_000,
        channels=1,
        hop=320,
        codebooks={1.5: 3, 3.0: 6, 6.0: 12},
        side_codebooks={1.5: 1, 3.0: 1, 6.0: 2},
        normalised=True,
    ),
}
"""The models by name. The numbers are those of the package; a test holds them against it."""


def weights_sha256(model: ModelName) -> str:
    """SHA-256 of the weights' file.

    Raises:
        AssetMissingError: an official checkpoint that is not here.
        ModelError: the shipped weights are not pinned.
    """
    asset = MODELS[model].asset
    return asset_sha256(asset) if asset else shipped_sha256(_COMPACT)


def encodec_version() -> str:
    """Name and version of the library."""
    return f"encodec {version('encodec')}, torch {version('torch')}"


@lru_cache(maxsize=2)
def load_model(model: ModelName) -> Any:
    """The package's EncodecModel, float32, on the CPU, ready to code.

    Raises:
        AssetError: an official checkpoint that cannot be had or is not the pinned one.
        CodecError: a file that is not a checkpoint of this model.
        ModelError: shipped files that cannot be read, or are not the pinned ones.
    """
    prepare()
    with _quiet_weight_norm():
        return _compact() if model == "compact" else _official(model)


@lru_cache(maxsize=2)
def load_language_model(model: ModelName) -> Any:
    """The package's language model over the codes of an official model. Raises as `load_model`."""
    prepare()
    import torch
    from encodec.model import LMModel

    network = load_model(model)
    path = asset_path(f"{MODELS[model].asset}-lm")
    with torch.random.fork_rng(devices=[]):
        language = LMModel(
            network.quantizer.n_q,
            BINS,
            num_layers=5,
            dim=200,
            past_context=int(3.5 * network.frame_rate),
        )
    _load_checkpoint(language, path)
    return language.eval()


@lru_cache(maxsize=1)
def static_counts() -> Any:
    """How often the compact model used each code on its training data, codebooks x codes, int64."""
    return read_weights(_COMPACT)[_COUNTS].numpy().astype("int64")


def _official(model: ModelName) -> Any:
    import torch
    from encodec.model import EncodecModel

    path = asset_path(MODELS[model].asset)
    with torch.random.fork_rng(devices=[]):
        network = getattr(EncodecModel, f"encodec_model_{model}")(pretrained=False)
    _load_checkpoint(network, path)
    return network.eval()


def _load_checkpoint(network: Any, path: Path) -> None:
    import pickle

    import torch

    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=r"Detected pickle protocol")
            state = torch.load(path, map_location="cpu", weights_only=True)
        network.load_state_dict(state)
    except (
        *(OSError, RuntimeError, pickle.UnpicklingError, EOFError),
        *(AttributeError, TypeError, KeyError, ValueError),
    ) as exc:
        reason = (str(exc).strip().splitlines() or ["no reason given"])[0]
        raise CodecError(
            f"{path} is not a checkpoint of {type(network).__name__}: {reason}; "
            f"fetch the official file anew"
        ) from exc


def _compact() -> Any:
    import torch
    from encodec.model import EncodecModel
    from encodec.modules.seanet import SEANetDecoder, SEANetEncoder
    from encodec.quantization.vq import ResidualVectorQuantizer

    spec, shape = MODELS["compact"], _compact_shape()
    tensors = read_weights(_COMPACT)
    tensors.pop(_COUNTS)
    with torch.random.fork_rng(devices=[]):
        network = EncodecModel(
            SEANetEncoder(channels=1, norm="none", **shape),
            SEANetDecoder(channels=1, norm="none", **shape),
            ResidualVectorQuantizer(
                dimension=shape["dimension"],
                n_q=max(spec.codebooks.values()),
                bins=BINS,
                kmeans_init=False,
            ),
            list(spec.codebooks),
            spec.sample_rate,
            1,
            normalize=True,
            name="encodec-compact",
        )
    try:
        missing, unexpected = network.load_state_dict(
            {name: tensor.float() for name, tensor in tensors.items()}, strict=False
        )
    except RuntimeError as exc:
        raise ModelError(
            f"{_COMPACT}: the weights do not fit config.json; install mpq-checks anew"
        ) from exc
    # What only training needs does not ship.
    odd = [n for n in missing if n.split(".")[-1] not in ("embed_avg", "cluster_size", "inited")]
    if odd or unexpected:
        raise ModelError(
            f"{_COMPACT}: the weights do not fit config.json ({(odd + unexpected)[0]}); "
            f"install mpq-checks anew"
        )
    return network.eval()


def _compact_shape() -> dict[str, Any]:
    """Settings of the encoder and the decoder."""
    config = read_config(_COMPACT)
    if not isinstance(config.get("network"), dict):
        raise ModelError(
            f"{_COMPACT}: config.json has no object 'network'; install mpq-checks anew"
        )
    return dict(config["network"])


@contextmanager
def _quiet_weight_norm() -> Iterator[None]:
    """The package uses torch's old weight_norm, which says so at each layer."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r".*weight_norm.*", category=FutureWarning)
        yield
