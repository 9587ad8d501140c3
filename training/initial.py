"""A better start for a vision transformer than noise, where images are few."""

import numpy as np
import torch
from torch import Tensor, nn

__all__ = ["start_from_patches"]

RESIDUAL_SCALE = 0.5
POSITION_SCALE = 0.25


@torch.no_grad()
def start_from_patches(model: nn.Module, views: np.ndarray) -> None:
    """Set the embedding of patches to a whitening of real ones, and positions to sines.

    The principal components of the patches of some views, each scaled to the same variance and
    then turned at random: fine texture reaches the first layer as strongly as brightness does.
    """
    embeddings, config = model.vit.embeddings, model.config
    patch, width = config.patch_size, config.hidden_size
    patches = draw_patches(views, patch)
    mean = patches.mean(0)
    variances, directions = torch.linalg.eigh(torch.cov((patches - mean).T))
    variances, directions = variances[-width:], directions[:, -width:]
    whitening = (directions / (variances.sqrt() + 0.02)).T * RESIDUAL_SCALE
    turned = torch.linalg.qr(torch.randn(width, width))[0] @ whitening
    # The three channels of a grey image are one.
    kernel = (turned / 3).reshape(width, 1, patch, patch).expand(-1, 3, -1, -1)
    embeddings.patch_embeddings.projection.weight.copy_(kernel)
    embeddings.patch_embeddings.projection.bias.copy_(-(turned @ mean))
    positions = sines(config.image_size // patch, width)
    embeddings.position_embeddings[0, 1:].copy_(positions * POSITION_SCALE)


def draw_patches(views: np.ndarray, patch: int) -> Tensor:
    """Some 20,000 patches, in -1..1, patches x pixels."""
    rng = np.random.default_rng(0)
    rows = []
    for view in views[np.sort(rng.choice(len(views), min(400, len(views)), replace=False))]:
        pixels = torch.from_numpy(view.astype(np.float32) / 127.5 - 1)
        tiles = pixels.unfold(0, patch, patch).unfold(1, patch, patch).reshape(-1, patch**2)
        rows.append(tiles[torch.from_numpy(rng.permutation(len(tiles))[:50])])
    return torch.cat(rows)


def sines(grid: int, width: int) -> Tensor:
    """Sines and cosines of column and row: positions x width."""
    row, column = torch.meshgrid(torch.arange(grid), torch.arange(grid), indexing="ij")
    frequencies = 10_000.0 ** (-torch.arange(width // 4) / (width // 4))
    phases = [axis.reshape(-1, 1) * frequencies for axis in (column, row)]
    return torch.cat([wave for phase in phases for wave in (phase.sin(), phase.cos())], 1)
