"""Spleeter (Hennequin et al., 2020) with two stems: vocals and accompaniment, one U-Net each."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np
import numpy.typing as npt

from mpq_checks.assets import asset_path, asset_sha256
from mpq_checks.models.base import SourceSeparator
from mpq_checks.models.stereo import like, stereo_44100
from mpq_checks.signals import Audio

__all__ = ["Spleeter"]

_ASSET = "spleeter-2stems"
_STEMS = ("vocals", "accompaniment")

_FRAME, _HOP = 4096, 1024
_BINS = 1024  # of 2049: up to 11 kHz; what lies above belongs to no stem, as in Spleeter
_FRAMES = 512  # a segment, 11.9 s
_EPSILON = 1e-10


@dataclass(frozen=True)
class Spleeter:
    """Separates music into `vocals` and `accompaniment`.

    Each U-Net estimates a stem's magnitude spectrogram (4,096 samples a frame, hop 1,024, Hann,
    lowest 1,024 bins) in segments of 512 frames, the last one padded with silence. The stem is
    the mixture's complex spectrogram times the stem's share of the squared estimates. Mono is
    doubled, another sample rate is resampled to 44,100 Hz and back.
    """

    def identity(self) -> dict[str, str]:
        """Architecture, weights' SHA-256, library versions."""
        return {
            "architecture": "Spleeter 2 stems, STFT 4096/1024, 1024 bins, squared ratio masks",
            "weights_sha256": asset_sha256(_ASSET),
            **{library: version(library) for library in ("torch", "soxr")},
        }

    def assets(self) -> tuple[str, ...]:
        """Names of the assets it needs."""
        return (_ASSET,)

    def load(self, device: str) -> SourceSeparator:
        """Bring both networks into memory. Raises AssetError or ModelError."""
        from mpq_checks.models.spleeter_unet import read_unet

        folder = asset_path(_ASSET)
        networks = {stem: read_unet(folder / f"{stem}.ckpt", device) for stem in _STEMS}
        return _Separator(networks, device)


class _Separator:
    """Both networks in memory."""

    def __init__(self, networks: Mapping[str, Any], device: str) -> None:
        import torch

        self._networks = networks
        self._device = device
        self._window = torch.hann_window(_FRAME, device=device)

    def separate(self, mixture: Audio) -> dict[str, Audio]:
        """Both stems, each with the form of the mixture.

        Raises:
            SignalError: more than two channels.
        """
        import torch

        stereo = stereo_44100(mixture, "Spleeter")
        with torch.inference_mode():
            wave = torch.from_numpy(stereo).to(self._device)
            spectrum = torch.stft(
                wave,
                _FRAME,
                _HOP,
                window=self._window,
                center=True,
                pad_mode="constant",
                return_complex=True,
            )
            masks = self._masks(spectrum[:, :_BINS].abs())
            stems = {
                stem: self._inverse(spectrum, mask, wave.shape[1]) for stem, mask in masks.items()
            }
        return {stem: like(mixture, samples) for stem, samples in stems.items()}

    def _masks(self, magnitude: Any) -> dict[str, Any]:
        """Each stem's share of the energy: channels x bins x frames, summing to one."""
        import torch

        parts: dict[str, list[Any]] = {stem: [] for stem in self._networks}
        for segment, length in _segments(magnitude):
            energy = {stem: net(segment) ** 2 for stem, net in self._networks.items()}
            total = sum(energy.values()) + _EPSILON
            for stem, value in energy.items():
                share = (value + _EPSILON / len(energy)) / total
                parts[stem].append(share[0].transpose(1, 2)[:, :, :length])
        return {stem: torch.cat(shares, dim=2) for stem, shares in parts.items()}

    def _inverse(self, spectrum: Any, mask: Any, length: int) -> npt.NDArray[np.float32]:
        import torch

        masked = torch.zeros_like(spectrum)
        masked[:, :_BINS] = spectrum[:, :_BINS] * mask
        wave = torch.istft(masked, _FRAME, _HOP, window=self._window, center=True, length=length)
        samples: npt.NDArray[np.float32] = wave.cpu().numpy()
        return samples


def _segments(magnitude: Any) -> Iterator[tuple[Any, int]]:
    """Pieces of 512 frames as 1 x channels x frames x bins, with their true number of frames."""
    import torch.nn.functional as F

    num_frames = magnitude.shape[2]
    for first in range(0, num_frames, _FRAMES):
        piece = magnitude[:, :, first : first + _FRAMES]
        length = piece.shape[2]
        yield F.pad(piece, (0, _FRAMES - length)).transpose(1, 2)[None], length
