"""What the compact EnCodec is trained to keep: waveform, mel spectra, and what a judge notices."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mpq_checks.torch_stack import prepare

__all__ = ["MelDistance", "discriminator_loss", "feature_loss", "generator_loss"]

_SCALES = ((256, 40), (512, 64), (1024, 80), (2048, 80))  # window in samples, mel bands
_FLOOR = 1e-3  # of a signal of RMS 1: 60 dB down
_LINEAR_SHARE = 0.3


class MelDistance(nn.Module):
    """Mean distance of log mel spectra, and a share of the linear ones, over all scales."""

    def __init__(self, sample_rate: int) -> None:
        super().__init__()
        prepare()
        from torchaudio.functional import melscale_fbanks

        for window, bands in _SCALES:
            banks = melscale_fbanks(window // 2 + 1, 0.0, sample_rate / 2, bands, sample_rate)
            self.register_buffer(f"bank{window}", (banks / banks.sum(0).clamp(min=1e-3)).T)
            self.register_buffer(f"window{window}", torch.hann_window(window))

    def forward(self, decoded: Tensor, original: Tensor) -> Tensor:
        """Both batch x 1 x samples."""
        total = decoded.new_zeros(())
        for window, _ in _SCALES:
            heard, meant = self._mel(decoded, window), self._mel(original, window)
            logs = F.l1_loss((heard + _FLOOR).log(), (meant + _FLOOR).log())
            total = total + logs + _LINEAR_SHARE * F.l1_loss(heard, meant)
        return total / len(_SCALES)

    def _mel(self, wave: Tensor, size: int) -> Tensor:
        window = getattr(self, f"window{size}")
        spectrum = torch.stft(
            wave.squeeze(1), size, size // 4, window=window, return_complex=True, center=True
        )
        power = torch.view_as_real(spectrum).pow(2).sum(-1)
        magnitude = (power / window.pow(2).sum() + 1e-10).sqrt()
        return getattr(self, f"bank{size}") @ magnitude


def discriminator_loss(real: list[Tensor], fake: list[Tensor]) -> Tensor:
    """Hinge loss of the discriminator, mean over its scales."""
    losses = [F.relu(1 - r).mean() + F.relu(1 + f).mean() for r, f in zip(real, fake, strict=True)]
    return torch.stack(losses).mean()


def generator_loss(fake: list[Tensor]) -> Tensor:
    """Hinge loss of the decoder, mean over the discriminator's scales."""
    return torch.stack([F.relu(1 - f).mean() for f in fake]).mean()


def feature_loss(real: list[list[Tensor]], fake: list[list[Tensor]]) -> Tensor:
    """Relative L1 distance of the discriminator's feature maps."""
    pairs = [p for r, f in zip(real, fake, strict=True) for p in zip(r, f, strict=True)]
    losses = [F.l1_loss(f, r.detach()) / r.detach().abs().mean() for r, f in pairs]
    return torch.stack(losses).mean()
