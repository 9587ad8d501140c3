"""MobileNetV2 with torchvision's own ImageNet weights (Sandler et al., 2018)."""

import importlib.metadata
import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from mpq_checks.assets import asset_path, asset_sha256
from mpq_checks.errors import AssetCorruptError, ModelError
from mpq_checks.models.base import ImageClassifier
from mpq_checks.signals import Image

__all__ = ["MobileNetV2", "ResizeFilter"]

ResizeFilter: TypeAlias = Literal["nearest", "box", "bilinear", "bicubic", "lanczos"]

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

_ASSET = "mobilenet-v2-imagenet"


@dataclass(frozen=True)
class MobileNetV2:
    """ImageNet-1k classifier; preprocessing as torchvision evaluates these weights.

    Args:
        resize: length in pixels that the short side is resized to.
        crop: side of the centre crop, at most `resize`.
        resize_filter: Pillow's filter.
    """

    resize: int = 256
    crop: int = 224
    resize_filter: ResizeFilter = "bilinear"

    def __post_init__(self) -> None:
        """Refuse sizes and filters that do not exist."""
        if not 32 <= self.crop <= self.resize:
            raise ModelError(f"crop {self.crop} is not within 32..resize ({self.resize})")
        if self.resize_filter not in get_args(ResizeFilter):
            raise ModelError(
                f"resize_filter is {self.resize_filter!r}, there are "
                f"{', '.join(get_args(ResizeFilter))}"
            )

    def identity(self) -> dict[str, str]:
        """Architecture, weights' SHA-256, preprocessing and library."""
        return {
            "model": "mobilenet_v2",
            "weights_sha256": asset_sha256(_ASSET),
            "resize": f"short side {self.resize}, {self.resize_filter}",
            "crop": f"centre {self.crop}",
            "torchvision": importlib.metadata.version("torchvision"),
        }

    def assets(self) -> tuple[str, ...]:
        """The weights."""
        return (_ASSET,)

    def class_names(self) -> tuple[str, ...]:
        """ImageNet's, as torchvision writes them."""
        from mpq_checks import torch_stack

        torch_stack.prepare()
        from torchvision.models import MobileNet_V2_Weights

        return tuple(MobileNet_V2_Weights.IMAGENET1K_V1.meta["categories"])

    def load(self, device: str) -> ImageClassifier:
        """Bring the weights into memory.

        Raises:
            AssetError: the weights cannot be had or are not the pinned ones.
        """
        return _Classifier(self, _network().to(device), device)

    def preprocess(self, image: Image) -> npt.NDArray[np.uint8]:
        """Short side to `resize`, then the centre crop: crop x crop x 3 of 0..255."""
        import PIL.Image

        scale = self.resize / min(image.width, image.height)
        width = max(self.resize, int(image.width * scale))
        height = max(self.resize, int(image.height * scale))
        resampling = PIL.Image.Resampling[self.resize_filter.upper()]
        picture = PIL.Image.fromarray(image.pixels).resize((width, height), resampling)
        left, top = round((width - self.crop) / 2), round((height - self.crop) / 2)
        return np.asarray(picture.crop((left, top, left + self.crop, top + self.crop)))


class _Classifier:
    """MobileNetV2 in memory; `network` is the torch module."""

    def __init__(self, settings: MobileNetV2, network: Any, device: str) -> None:
        self.settings = settings
        self.network = network
        self.device = device

    def logits(self, images: Sequence[Image]) -> npt.NDArray[np.float32]:
        """Logits, images x 1000; one image a pass, so that they do not depend on the batch."""
        rows = [self._logits(image) for image in images]
        return np.stack(rows) if rows else np.zeros((0, 1000), dtype=np.float32)

    def _logits(self, image: Image) -> npt.NDArray[np.float32]:
        import torch

        levels = self.settings.preprocess(image).astype(np.float32) / np.float32(255)
        mean, std = (np.array(x, dtype=np.float32) for x in (IMAGENET_MEAN, IMAGENET_STD))
        planes = np.ascontiguousarray(((levels - mean) / std).transpose(2, 0, 1))
        with torch.inference_mode():
            batch = torch.from_numpy(planes)[None].to(self.device)
            row: npt.NDArray[np.float32] = self.network(batch)[0].float().cpu().numpy()
        return row


def _network() -> Any:
    """torchvision's network with the weights, in evaluation mode."""
    from mpq_checks import torch_stack

    torch_stack.prepare()
    import torch
    from torchvision.models import mobilenet_v2

    path = asset_path(_ASSET)
    with torch.device("meta"):  # nothing drawn at random, only to be replaced
        network = mobilenet_v2(weights=None)
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        network.load_state_dict(state, strict=True, assign=True)
    except (RuntimeError, ValueError, TypeError, pickle.UnpicklingError) as exc:
        raise AssetCorruptError(f"{path} does not hold MobileNetV2's weights: {exc}") from exc
    return network.eval().requires_grad_(False)
