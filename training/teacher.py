"""Features of an ImageNet MobileNetV2, which stand in for the images that were never there.

Two thousand films are too few for a transformer to learn to see from. While it learns its labels
it also learns to predict, for each of its patches, what a frozen convolutional network sees there
(dense feature distillation, in the spirit of FitNets, https://arxiv.org/abs/1412.6550).
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn
from views import Geometry, draw_geometry, warp

from mpq_checks.assets import asset_path
from mpq_checks.torch_stack import prepare

__all__ = ["MIDDLE_CHANNELS", "NUM_PRINCIPAL", "Bank", "make_bank"]

MIDDLE_BLOCK = 13
MIDDLE_CHANNELS = 96  # at a stride of 16
NUM_PRINCIPAL = 128  # components of the 1,280 last channels, at a stride of 32; the largest last
IMAGENET_MEAN = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
IMAGENET_STD = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)

logger = logging.getLogger("training.teacher")


@dataclass(frozen=True)
class Bank:
    """Views of images, and what the teacher sees in them.

    `views` is uint8, views x height x width; `targets` float16, views x channels x grid x grid,
    each channel with mean 0 and variance 1; `sources` is the index of the image of each view.
    """

    views: np.ndarray
    targets: np.ndarray
    sources: np.ndarray


def make_bank(
    images: Sequence[Image.Image],
    *,
    num_views: int,
    grid: int,
    geometry: Geometry,
    seed: int,
    folder: Path,
) -> Bank:
    """Draw `num_views` views of each image and run the teacher; kept in `folder` for later."""
    names = ("views", "targets", "sources")
    if all((folder / f"{name}.npy").exists() for name in names):
        logger.info("reading views and targets from %s", folder)
        return Bank(*(np.load(folder / f"{name}.npy", allow_pickle=False) for name in names))
    rng = np.random.default_rng(seed)
    sources = np.repeat(np.arange(len(images)), num_views)
    views = np.stack(
        [warp(images[i], draw_geometry(rng, geometry, images[i].size)) for i in sources]
    )
    targets = teach(views, grid)
    bank = Bank(views, targets, sources)
    for name in names:
        np.save(folder / f"{name}.npy", getattr(bank, name))
    return bank


@torch.inference_mode()
def teach(views: np.ndarray, grid: int) -> np.ndarray:
    """What the teacher sees in each view, on the student's grid of patches."""
    trunk = teacher_trunk()
    sample = np.random.default_rng(0).permutation(len(views))[:1024]
    deep = [trunk_features(trunk, views[batch])[1] for batch in np.array_split(sample, 32)]
    rows = torch.cat(deep).permute(0, 2, 3, 1).reshape(-1, deep[0].shape[1])
    rows = rows[:: max(1, len(rows) // 20_000)]
    centre = rows.mean(0)
    principal = torch.linalg.eigh(torch.cov((rows - centre).T))[1][:, -NUM_PRINCIPAL:]

    batches = []
    for start in range(0, len(views), 32):
        middle, last = trunk_features(trunk, views[start : start + 32])
        last = torch.einsum("nchw,cd->ndhw", last - centre.view(1, -1, 1, 1), principal)
        both = [
            F.interpolate(maps, (grid, grid), mode="bilinear", align_corners=False, antialias=True)
            for maps in (middle, last)
        ]
        batches.append(torch.cat(both, 1).half())
        if start % 3200 == 0:
            logger.info("teacher: %d of %d views", start, len(views))
    targets = torch.cat(batches)
    subset = targets[torch.from_numpy(sample)].float()
    mean = subset.mean((0, 2, 3)).view(1, -1, 1, 1)
    std = subset.std((0, 2, 3)).view(1, -1, 1, 1)
    for start in range(0, len(targets), 256):
        part = targets[start : start + 256].float()
        targets[start : start + 256] = ((part - mean) / std).half()
    return targets.numpy()


def teacher_trunk() -> nn.Sequential:
    """The convolutional part of torchvision's MobileNetV2 with its ImageNet weights."""
    prepare()
    from torchvision.models import mobilenet_v2

    network = mobilenet_v2(weights=None)
    network.load_state_dict(torch.load(asset_path("mobilenet-v2-imagenet"), weights_only=True))
    trunk: nn.Sequential = network.features.eval()
    return trunk


def trunk_features(trunk: nn.Sequential, views: np.ndarray) -> tuple[Tensor, Tensor]:
    """Feature maps of the middle block and of the last one."""
    grey = torch.from_numpy(views).float().div(255).unsqueeze(1)
    with torch.autocast("cpu", torch.bfloat16):
        maps = (grey - IMAGENET_MEAN) / IMAGENET_STD
        for index, block in enumerate(trunk):
            maps = block(maps)
            if index == MIDDLE_BLOCK:
                middle = maps
    return middle.float(), maps.float()
