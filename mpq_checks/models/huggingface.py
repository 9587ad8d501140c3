"""Image classifiers and segmenters that transformers can load, from a local folder."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from mpq_checks.errors import ModelError
from mpq_checks.models.pretrained_folder import PretrainedFolder
from mpq_checks.shipped import shipped_folder
from mpq_checks.signals import Image

if TYPE_CHECKING:
    import torch

__all__ = ["HuggingFaceImageClassifier", "HuggingFaceSegmenter"]

_MAX_CLASSES = 255  # a mask is uint8, and 255 means that a pixel is not scored


@dataclass(frozen=True)
class HuggingFaceImageClassifier:
    """An image classifier in a folder that `save_pretrained` wrote; nothing is downloaded.

    The folder holds config.json, the weights (model.safetensors, its shards, or a
    pytorch_model.bin without code) and preprocessor_config.json: images are resized, cropped and
    normalised by the model's own image processor.
    """

    path: Path

    @classmethod
    def shipped(cls, name: str) -> Self:
        """A classifier that comes with this package: `vit-chest-xray` or `vit-solar`."""
        return cls(shipped_folder(name))

    def identity(self) -> dict[str, str]:
        """Class, hashes of weights and config, preprocessing, versions; not the folder's place.

        Raises:
            ModelError: a file of the folder is missing or cannot be read.
        """
        return PretrainedFolder(Path(self.path)).identity()

    def assets(self) -> tuple[str, ...]:
        """None: the folder is all it needs."""
        return ()

    def class_names(self) -> tuple[str, ...]:
        """Those of config.json. Raises ModelError where it cannot be read."""
        return PretrainedFolder(Path(self.path)).class_names()

    def load(self, device: str) -> "_Classifier":
        """Bring the weights into memory. Raises ModelError."""
        folder = PretrainedFolder(Path(self.path))
        return _Classifier(
            folder.load_model("AutoModelForImageClassification", device),
            folder.load_processor(),
            device,
        )


@dataclass(frozen=True)
class HuggingFaceSegmenter:
    """A semantic segmenter in a folder that `save_pretrained` wrote; nothing is downloaded.

    As for `HuggingFaceImageClassifier`. The logits are brought to the size of the image
    (bilinear) before the best class of each pixel is taken.
    """

    path: Path

    @classmethod
    def shipped(cls, name: str) -> Self:
        """A segmenter that comes with this package: `segformer-lungs`."""
        return cls(shipped_folder(name))

    def identity(self) -> dict[str, str]:
        """Class, hashes of weights and config, preprocessing, versions; not the folder's place.

        Raises:
            ModelError: a file of the folder is missing or cannot be read.
        """
        return PretrainedFolder(Path(self.path)).identity()

    def assets(self) -> tuple[str, ...]:
        """None: the folder is all it needs."""
        return ()

    def class_names(self) -> tuple[str, ...]:
        """Those of config.json. Raises ModelError where it cannot be read."""
        return PretrainedFolder(Path(self.path)).class_names()

    def load(self, device: str) -> "_Segmenter":
        """Bring the weights into memory.

        Raises:
            ModelError: a folder that cannot be loaded, a preprocessing that crops, or more
                classes than a mask can hold.
        """
        folder = PretrainedFolder(Path(self.path))
        processor = folder.load_processor()
        if getattr(processor, "do_center_crop", False):
            raise ModelError(
                f"{self.path}: do_center_crop is set in the preprocessing, which leaves the border "
                "without a prediction; set it to false in preprocessor_config.json"
            )
        model = folder.load_model("AutoModelForSemanticSegmentation", device)
        if model.config.num_labels > _MAX_CLASSES:
            raise ModelError(
                f"{self.path} has {model.config.num_labels} classes; a mask holds {_MAX_CLASSES}"
            )
        return _Segmenter(model, processor, device)


# Any: transformers' auto classes give what the folder names.
@dataclass(frozen=True, eq=False)
class _Classifier:
    """Image in, class logits out."""

    model: Any
    processor: Any
    device: str

    def logits(self, images: Sequence[Image]) -> npt.NDArray[np.float32]:
        """Logits, images x classes; one image at a time, so that neighbours change nothing."""
        if not images:
            return np.zeros((0, self.model.config.num_labels), np.float32)
        rows = [_forward(self.model, self.processor, self.device, image)[0] for image in images]
        return np.stack([row.cpu().numpy() for row in rows])


@dataclass(frozen=True, eq=False)
class _Segmenter:
    """Image in, class index per pixel out."""

    model: Any
    processor: Any
    device: str

    def segment(self, image: Image) -> npt.NDArray[np.uint8]:
        """Class index per pixel, height x width of the image."""
        import torch.nn.functional as F

        logits = _forward(self.model, self.processor, self.device, image)
        full = F.interpolate(
            logits, size=(image.height, image.width), mode="bilinear", align_corners=False
        )
        classes: npt.NDArray[np.uint8] = full[0].argmax(0).cpu().numpy().astype(np.uint8)
        return classes


def _forward(model: Any, processor: Any, device: str, image: Image) -> "torch.Tensor":
    """Logits of a batch of one, float32. Raises ModelError."""
    import PIL.Image
    import torch

    # As a PIL image, because the axes of a small array would have to be guessed.
    picture = PIL.Image.fromarray(image.pixels)
    try:
        pixels = processor(images=picture, return_tensors="pt")["pixel_values"].to(device)
        with torch.inference_mode():
            logits: torch.Tensor = model(pixel_values=pixels).logits.float()
    except (RuntimeError, ValueError, TypeError, KeyError) as exc:
        raise ModelError(
            f"{type(model).__name__} cannot read an image of {image.width} x {image.height}: "
            f"{exc}; compare preprocessor_config.json with config.json"
        ) from exc
    return logits
