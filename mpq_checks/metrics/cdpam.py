"""CDPAM, the contrastive deep perceptual audio metric (Manocha et al., 2021)."""

import hashlib
import importlib.metadata
import importlib.util
import math
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from mpq_checks.assets import asset_path, asset_sha256
from mpq_checks.errors import AssetCorruptError, AssetMissingError, MetricError, SignalError
from mpq_checks.memory import BoundedMemory
from mpq_checks.metrics.base import Metric, PerceptualDistance
from mpq_checks.metrics.pickles import read_torch_pickle
from mpq_checks.signals import Audio, require_same_form

__all__ = ["CDPAM", "Cdpam", "cdpam_network", "exact_sha256", "loudest_window"]

CDPAM = Metric("cdpam", "", higher_is_better=False, decimals=4)

SAMPLE_RATE = 22_050
MIN_SECONDS = 0.05
HOPS_PER_WINDOW = 10

_ASSET = "cdpam"
_MEMORY_BYTES = 16 * 2**20

Mono: TypeAlias = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Cdpam:
    """CDPAM as the cdpam package computes it: 22,050 Hz, mono, rounded to the int16 range.

    Channels are averaged, then resampled (soxr, very high quality). Audio of at least 0.05 s;
    shorter than the window it is taken whole.

    Args:
        window_seconds: judge only the loudest window of this length, found in the reference on a
            grid of a tenth of the window and cut from both signals; None judges the whole. The
            network costs 100 GMAC a second of audio, hence the window.
    """

    window_seconds: float | None = 1.0

    def __post_init__(self) -> None:
        """Refuse a window that the network cannot take."""
        seconds = self.window_seconds
        if seconds is not None and not MIN_SECONDS <= seconds < math.inf:
            raise MetricError(f"cdpam: window_seconds is {seconds!r}, not {MIN_SECONDS} or more")

    @property
    def metric(self) -> Metric:
        """`cdpam`."""
        return CDPAM

    def identity(self) -> dict[str, str]:
        """Weights' SHA-256, the package with the network, window and resampler."""
        return {
            "metric": "cdpam",
            "weights_sha256": asset_sha256(_ASSET),
            "window_seconds": str(self.window_seconds),
            "cdpam": importlib.metadata.version("cdpam"),
            "soxr": importlib.metadata.version("soxr"),
        }

    def assets(self) -> tuple[str, ...]:
        """The weights, which come with the cdpam package."""
        return (_ASSET,)

    def load(self, device: str) -> PerceptualDistance:
        """Bring the network into memory.

        Raises:
            AssetError: the weights cannot be had or are not the pinned ones.
        """
        return _CdpamDistance(cdpam_network().to(device), self.window_seconds, device)


@dataclass(frozen=True, eq=False)
class _Excerpt:
    """What is remembered of a reference: where its window lies, and its embedding."""

    start: int
    stop: int
    window: Mono
    embedding: Any


class _CdpamDistance:
    """CDPAM with its network in memory."""

    def __init__(self, network: Any, window_seconds: float | None, device: str) -> None:
        self._network = network
        self._window_seconds = window_seconds
        self._device = device
        self._remembered: BoundedMemory[_Excerpt] = BoundedMemory(_MEMORY_BYTES, _size)

    def distance(self, reference: Audio, decoded: Audio) -> float:
        """Distance, from 0; exactly 0 where the windows are equal.

        Raises:
            MetricError: audio of different form or shorter than 0.05 s, or images.
        """
        _require_audio(reference, decoded)
        if np.array_equal(reference.samples, decoded.samples):
            return 0.0
        import torch

        with torch.inference_mode():
            key = exact_sha256(reference)
            excerpt = self._remembered.get(key, lambda: self._excerpt(reference))
            window = _mono(decoded)[excerpt.start : excerpt.stop]
            if np.array_equal(window, excerpt.window):
                return 0.0
            embedding = self._embed(window)
            return float(self._network.model_dist(excerpt.embedding, embedding))

    def _excerpt(self, reference: Audio) -> _Excerpt:
        mono = _mono(reference)
        start, stop = 0, mono.size
        if self._window_seconds is not None:
            start, stop = loudest_window(mono, round(self._window_seconds * SAMPLE_RATE))
        window = mono[start:stop].copy()
        return _Excerpt(start, stop, window, self._embed(window))

    def _embed(self, window: Mono) -> Any:
        """The acoustic half of the embedding at unit length, 1 x 512."""
        import torch
        import torch.nn.functional as F

        int16_range = np.round(window * np.float32(32768.0))
        audio = torch.from_numpy(int16_range).to(self._device)[None, None]
        _, acoustics, _ = self._network.base_encoder(audio)
        return F.normalize(acoustics, dim=1)


def loudest_window(mono: Mono, length: int) -> tuple[int, int]:
    """Start and stop of the window with the most energy; the whole where it is no longer.

    Windows start at multiples of a tenth of their length, and one ends at the last sample. The
    first wins among those within a millionth of the most, so that rounding cannot move it.
    """
    if mono.size <= length:
        return 0, mono.size
    energy = np.concatenate([[0.0], np.cumsum(np.square(mono, dtype=np.float64))])
    last = mono.size - length
    starts = np.unique(np.append(np.arange(0, last, max(1, length // HOPS_PER_WINDOW)), last))
    energies = energy[starts + length] - energy[starts]
    start = int(starts[np.flatnonzero(energies >= energies.max() * (1 - 1e-6))[0]])
    return start, start + length


def _require_audio(reference: Audio, decoded: Audio) -> None:
    if not isinstance(reference, Audio):
        raise MetricError(f"cdpam: compares audio, not {type(reference).__name__}")
    try:
        require_same_form(reference, decoded)
    except SignalError as exc:
        raise MetricError(f"cdpam: {exc}") from exc
    least = math.floor(MIN_SECONDS * reference.sample_rate)
    if reference.num_samples < least:
        raise MetricError(
            f"cdpam: audio of {reference.num_samples} samples at {reference.sample_rate} Hz is "
            f"shorter than {MIN_SECONDS} s ({least} samples)"
        )


def _mono(audio: Audio) -> Mono:
    """Mean of the channels at 22,050 Hz."""
    import soxr  # type: ignore[import-untyped]

    mono = np.mean(audio.samples, axis=0, dtype=np.float64)
    if audio.sample_rate != SAMPLE_RATE:
        mono = soxr.resample(mono, audio.sample_rate, SAMPLE_RATE, quality="VHQ")
    return np.asarray(mono, dtype=np.float32)


def exact_sha256(audio: Audio) -> str:
    """Hash of the floats as they are; `Audio.sha256` rounds them."""
    digest = hashlib.sha256(repr((audio.samples.shape, audio.sample_rate)).encode())
    digest.update(np.ascontiguousarray(audio.samples).data)
    return digest.hexdigest()


def _size(excerpt: _Excerpt) -> int:
    return int(excerpt.window.nbytes + excerpt.embedding.numel() * 4)


def cdpam_network() -> Any:
    """The cdpam package's network with its weights, in evaluation mode."""
    import torch

    with torch.device("meta"):
        network = _models().FINnet(
            dev="cpu",
            encoder_layers=16,
            encoder_filters=64,
            ndim=[16, 6],
            classif_dp=0.05,
            classif_BN=0,
            classif_act="no",
            input_size=512,
        )
    path = asset_path(_ASSET)
    state = read_torch_pickle(path).get("state")
    try:
        network.load_state_dict(state, strict=True, assign=True)
    except (RuntimeError, TypeError) as exc:
        raise AssetCorruptError(f"{path} does not hold CDPAM's weights: {exc}") from exc
    return network.eval().requires_grad_(False)


def _models() -> ModuleType:
    """The package's `models.py`, by its path.

    Importing the package runs `cdpam.py`, which needs librosa and resampy (undeclared) for a
    function that is not used here.
    """
    package = importlib.util.find_spec("cdpam")
    if package is None or package.origin is None:
        raise AssetMissingError("the package cdpam is not installed; run `pip install cdpam`")
    path = Path(package.origin).parent / "models.py"
    spec = importlib.util.spec_from_file_location("mpq_checks_cdpam_models", path)
    if spec is None or spec.loader is None:
        raise AssetMissingError(f"{path} is not there; run `pip install cdpam`")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
