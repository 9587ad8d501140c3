"""LPIPS and CDPAM as the code of "Machine Perceptual Quality" (Jacobellis et al., 2024) fed them.

Both leave the range that their networks were trained on: docs/explanation/protocol.md. They exist
to check the paper's tables, and are not comparable with `Lpips` and `Cdpam`.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from mpq_checks.errors import MetricError, SignalError
from mpq_checks.memory import BoundedMemory
from mpq_checks.metrics.base import Metric, PerceptualDistance
from mpq_checks.metrics.cdpam import CDPAM, Cdpam, cdpam_network, exact_sha256
from mpq_checks.metrics.lpips import LPIPS, Lpips, lpips_distance
from mpq_checks.signals import Audio, require_same_form

__all__ = ["PublishedCdpam", "PublishedLpips"]

_VGG = Lpips(net="vgg")
_MEMORY_BYTES = 64 * 2**20
_PIQ_RANGE = 1.0  # piq takes 0..1, and was given 0..255


@dataclass(frozen=True)
class PublishedLpips:
    """LPIPS of VGG-16 with pixels of 0..255 fed as if they were of 0..1.

    The paper used piq's LPIPS, whose network, weights and normalisation are those of the lpips
    package. Films of one channel it compared in grey; here they have three equal ones.
    """

    @property
    def metric(self) -> Metric:
        """`lpips`."""
        return LPIPS

    def identity(self) -> dict[str, str]:
        """That of LPIPS, and the range."""
        return {**_VGG.identity(), "range": "0..255 fed where 0..1 is expected"}

    def assets(self) -> tuple[str, ...]:
        """The trunk."""
        return _VGG.assets()

    def load(self, device: str) -> PerceptualDistance:
        """Bring trunk and heads into memory. Raises AssetError."""
        return lpips_distance(_VGG.net, device, _PIQ_RANGE)


@dataclass(frozen=True)
class PublishedCdpam:
    """CDPAM of samples in -1..1 at their own rate, each channel by itself; mean over channels.

    Args:
        chunk_samples: length of the chunks that a signal is cut into, whose distances are
            averaged; None: it is judged whole.
        max_chunks: how many chunks count, from the beginning.

    Raises:
        MetricError: numbers that select nothing.
    """

    chunk_samples: int | None = None
    max_chunks: int = 50

    def __post_init__(self) -> None:
        """Refuse what selects nothing."""
        if self.max_chunks < 1 or (self.chunk_samples is not None and self.chunk_samples < 1):
            raise MetricError(
                f"cdpam: {self.max_chunks} chunks of {self.chunk_samples} samples are no signal"
            )

    @property
    def metric(self) -> Metric:
        """`cdpam`."""
        return CDPAM

    def identity(self) -> dict[str, str]:
        """Weights' SHA-256, the package with the network, range and chunks."""
        proper = Cdpam().identity()
        chunks = f"{self.max_chunks} of {self.chunk_samples} samples"
        return {
            **{key: proper[key] for key in ("metric", "weights_sha256", "cdpam")},
            "range": "-1..1 at the signal's rate, where int16 at 22,050 Hz is expected",
            "chunks": "the whole" if self.chunk_samples is None else f"the first {chunks}",
        }

    def assets(self) -> tuple[str, ...]:
        """The weights, which come with the cdpam package."""
        return Cdpam().assets()

    def load(self, device: str) -> PerceptualDistance:
        """Bring the network into memory. Raises AssetError."""
        return _Distance(cdpam_network().to(device), self, device)


class _Distance:
    """CDPAM with its network in memory."""

    def __init__(self, network: Any, settings: PublishedCdpam, device: str) -> None:
        self._network = network
        self._settings = settings
        self._device = device
        self._remembered: BoundedMemory[list[Any]] = BoundedMemory(_MEMORY_BYTES, _size)

    def distance(self, reference: Audio, decoded: Audio) -> float:
        """Distance, from 0; exactly 0 for equal signals.

        Raises:
            MetricError: audio of different form, or images.
        """
        if not isinstance(reference, Audio):
            raise MetricError(f"cdpam: compares audio, not {type(reference).__name__}")
        try:
            require_same_form(reference, decoded)
        except SignalError as exc:
            raise MetricError(f"cdpam: {exc}") from exc
        if np.array_equal(reference.samples, decoded.samples):
            return 0.0
        import torch

        with torch.inference_mode():
            theirs = self._remembered.get(
                exact_sha256(reference), lambda: self._embeddings(reference)
            )
            pairs = zip(theirs, self._embeddings(decoded), strict=True)
            return float(np.mean([float(self._network.model_dist(*p).mean()) for p in pairs]))

    def _embeddings(self, audio: Audio) -> list[Any]:
        """Of each chunk, the acoustic half of the embedding at unit length, channels x 512."""
        import torch
        import torch.nn.functional as F

        length = self._settings.chunk_samples or audio.num_samples
        count = min(self._settings.max_chunks, max(1, audio.num_samples // length))
        embeddings = []
        for place in range(count):
            chunk = audio.samples[:, place * length : (place + 1) * length]
            batch = torch.from_numpy(np.ascontiguousarray(chunk)).to(self._device)[:, None]
            _, acoustics, _ = self._network.base_encoder(batch)
            embeddings.append(F.normalize(acoustics, dim=1))
        return embeddings


def _size(embeddings: list[Any]) -> int:
    return sum(each.numel() * each.element_size() for each in embeddings)
