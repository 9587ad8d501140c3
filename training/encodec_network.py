"""The compact EnCodec: encodec's own encoder, decoder and quantiser, with fewer filters."""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mpq_checks.torch_stack import prepare

__all__ = ["SETTINGS", "Network", "revive_codes", "start_codebooks"]

SETTINGS: dict[str, Any] = {
    "sample_rate": 16000,
    "dimension": 64,
    "n_filters": 24,
    "n_residual_layers": 1,
    "ratios": [2, 4, 5, 8],
    "kernel_size": 7,
    "last_kernel_size": 7,
    "residual_kernel_size": 3,
    "compress": 2,
    "lstm": 0,
    "activation": "LeakyReLU",
    "activation_params": {"negative_slope": 0.2},
    "pad_mode": "constant",
    "true_skip": True,
    "n_q": 12,
    "bins": 1024,
}
"""Where EnCodec begins with the finest stride, this begins with the coarsest: most of the weights
then work at low rates, and a second of sound costs a CPU a third."""

_OF_QUANTISER = ("sample_rate", "n_q", "bins")
_ALIVE = 0.05  # average uses a step under which a code is replaced


class Network(nn.Module):
    """Encoder, quantiser and decoder, to be trained."""

    def __init__(self) -> None:
        super().__init__()
        prepare()
        from encodec import modules, quantization

        shape = {key: value for key, value in SETTINGS.items() if key not in _OF_QUANTISER}
        self.encoder = modules.SEANetEncoder(channels=1, norm="weight_norm", **shape)
        self.decoder = modules.SEANetDecoder(channels=1, norm="weight_norm", **shape)
        self.quantizer = quantization.ResidualVectorQuantizer(
            dimension=SETTINGS["dimension"],
            n_q=SETTINGS["n_q"],
            bins=SETTINGS["bins"],
            kmeans_init=False,
            threshold_ema_dead_code=0,  # `revive_codes` does it
        )

    def forward(self, wave: Tensor, num_codebooks: int) -> tuple[Tensor, Tensor, Tensor]:
        """Decoded sound, commitment loss and latents."""
        latents = self.encoder(wave)
        quantised, _, commitment = self.quantizer.vq(latents, n_q=num_codebooks)
        return self.decoder(quantised), commitment.sum(), latents


@torch.no_grad()
def start_codebooks(quantizer: Any, latents: Tensor, rounds: int = 12) -> None:
    """k-means, codebook after codebook, each on what the ones before left over.

    latents: vectors x dimension.
    """
    residual = latents
    for layer in quantizer.vq.layers:
        book = layer._codebook
        centres = residual[torch.randperm(len(residual))[: book.codebook_size]].clone()
        for _ in range(rounds):
            nearest = _nearest(residual, centres)
            sums = torch.zeros_like(centres).index_add_(0, nearest, residual)
            counts = torch.bincount(nearest, minlength=len(centres)).unsqueeze(1)
            centres = torch.where(counts > 0, sums / counts.clamp(min=1), centres)
        book.embed.copy_(centres)
        book.embed_avg.copy_(centres)
        book.cluster_size.fill_(1.0)
        residual = residual - centres[_nearest(residual, centres)]


@torch.no_grad()
def revive_codes(quantizer: Any, latents: Tensor, rng: np.random.Generator) -> int:
    """Put codes that are hardly used where vectors are; give their number.

    The package's own replacement changes `embed` alone, which the next step computes anew from the
    running averages, so that nothing is replaced.
    """
    residual, revived = latents, 0
    for layer in quantizer.vq.layers:
        book = layer._codebook
        dead = torch.nonzero(book.cluster_size < _ALIVE).flatten()
        if len(dead):
            drawn = residual[torch.from_numpy(rng.integers(0, len(residual), len(dead)))]
            book.embed[dead] = drawn
            book.cluster_size[dead] = 4 * _ALIVE
            book.embed_avg[dead] = drawn * (4 * _ALIVE)
            revived += len(dead)
        residual = residual - book.embed[_nearest(residual, book.embed)]
    return revived


def _nearest(vectors: Tensor, centres: Tensor) -> Tensor:
    return (centres.pow(2).sum(1) - 2 * vectors @ centres.T).argmin(1)
