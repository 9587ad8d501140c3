"""Image classifiers and segmenters that transformers can load, from a folder or the hub."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Self, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from mpq_checks.errors import ModelError
from mpq_checks.models.hub import ModelPlace, place_identity, pretrained_folder
from mpq_checks.models.precision import (
    Precision,
    batches,
    check_run,
    dtype_of,
    exact_kernels,
    run_identity,
)
from mpq_checks.shipped import shipped_folder
from mpq_checks.signals import Image

if TYPE_CHECKING:
    import torch

__all__ = ["HuggingFaceImageClassifier", "HuggingFaceSegmenter", "SegmenterProtocol"]

SegmenterProtocol: TypeAlias = Literal["model", "as-published"]
"""`model`: as the checkpoint was trained; `as-published`: as the paper's code fed SegFormer."""

_MAX_CLASSES = 255  # a mask is uint8, and 255 means that a pixel is not scored

_PUBLISHED = (
    "in its own size, the processor's mean and deviation; number of the best class of each logit, "
    "brought to the size of the image as a picture is (bilinear, rounded)"
)


@dataclass(frozen=True)
class HuggingFaceImageClassifier:
    """An image classifier in a folder that `save_pretrained` wrote, or of the hub.

    The folder holds config.json, the weights (model.safetensors, its shards, or a
    pytorch_model.bin without code) and preprocessor_config.json: images are resized, cropped and
    normalised by the model's own image processor. Only a `HubModel` may be fetched.

    Args:
        path: the folder, or the model of the hub.
        batch_size: images that go through the network at once; batches are always full, filled
            up with copies, so that no result depends on how many images there are.
        precision: of weights and activations.

    Raises:
        ModelError: another precision, or a batch size under 1.
    """

    path: ModelPlace
    batch_size: int = 1
    precision: Precision = "fp32"

    def __post_init__(self) -> None:
        """Refuse settings that do not exist."""
        check_run(self.batch_size, self.precision)

    @classmethod
    def shipped(cls, name: str) -> Self:
        """A classifier that comes with this package: `vit-chest-xray` or `vit-solar`."""
        return cls(shipped_folder(name))

    def identity(self) -> dict[str, str]:
        """Class, hashes of weights and config, preprocessing, versions; not the folder's place.

        Of a model of the hub also its name and commit; batch size and precision where they are
        not 1 and fp32.

        Raises:
            ModelError: a file of the folder is missing or cannot be read.
            AssetError: the model of the hub cannot be had.
        """
        return _identity(self.path, self.batch_size, self.precision)

    def assets(self) -> tuple[str, ...]:
        """None: folder or hub hold all it needs."""
        return ()

    def class_names(self) -> tuple[str, ...]:
        """Those of config.json. Raises ModelError where it cannot be read."""
        return pretrained_folder(self.path).class_names()

    def load(self, device: str) -> "_Classifier":
        """Bring the weights into memory. Raises ModelError or AssetError."""
        folder = pretrained_folder(self.path)
        dtype = dtype_of(self.precision)
        model = folder.load_model("AutoModelForImageClassification", device, dtype)
        network = _Network(model, _OwnPixels(folder.load_processor()), device, self.batch_size)
        return _Classifier(network, self.batch_size)


@dataclass(frozen=True)
class HuggingFaceSegmenter:
    """A semantic segmenter in a folder that `save_pretrained` wrote, or of the hub.

    As for `HuggingFaceImageClassifier`. The logits are brought to the size of the image
    (bilinear) before the best class of each pixel is taken.

    Args:
        path: the folder, or the model of the hub.
        batch_size: as for `HuggingFaceImageClassifier`.
        precision: as for `HuggingFaceImageClassifier`.
        protocol: `model`, or `as-published`: the image in its own size with the processor's mean
            and deviation, the best class taken at the network's own resolution, and the map of
            class numbers enlarged as if it were a picture. Between classes 2 and 10 that gives 6.
            The code that printed the paper's table did so (commit 681195d); its last commits,
            which came later, did otherwise.

    Raises:
        ModelError: another precision or protocol, a batch size under 1, or one over 1 as-published,
            where images keep their sizes.
    """

    path: ModelPlace
    batch_size: int = 1
    precision: Precision = "fp32"
    protocol: SegmenterProtocol = "model"

    def __post_init__(self) -> None:
        """Refuse settings that do not exist."""
        check_run(self.batch_size, self.precision)
        if self.protocol not in get_args(SegmenterProtocol):
            raise ModelError(
                f"protocol is {self.protocol!r}, there are {', '.join(get_args(SegmenterProtocol))}"
            )
        if self.protocol == "as-published" and self.batch_size > 1:
            raise ModelError(
                f"batch_size is {self.batch_size}; as-published images keep their sizes, so it is 1"
            )

    @classmethod
    def shipped(cls, name: str) -> Self:
        """A segmenter that comes with this package: `segformer-lungs`."""
        return cls(shipped_folder(name))

    def identity(self) -> dict[str, str]:
        """As of `HuggingFaceImageClassifier`; as-published the preprocessing is the paper's.

        Raises:
            ModelError: a file of the folder is missing or cannot be read.
            AssetError: the model of the hub cannot be had.
        """
        identity = _identity(self.path, self.batch_size, self.precision)
        return identity if self.protocol == "model" else {**identity, "preprocessing": _PUBLISHED}

    def assets(self) -> tuple[str, ...]:
        """None: folder or hub hold all it needs."""
        return ()

    def class_names(self) -> tuple[str, ...]:
        """Those of config.json. Raises ModelError where it cannot be read."""
        return pretrained_folder(self.path).class_names()

    def load(self, device: str) -> "_Segmenter":
        """Bring the weights into memory.

        Raises:
            ModelError: a folder that cannot be loaded, a preprocessing that crops, or more
                classes than a mask can hold.
            AssetError: the model of the hub cannot be had.
        """
        folder = pretrained_folder(self.path)
        processor = folder.load_processor()
        if getattr(processor, "do_center_crop", False):
            raise ModelError(
                f"{folder.path}: do_center_crop is set in the preprocessing, which leaves the "
                "border without a prediction; set it to false in preprocessor_config.json"
            )
        dtype = dtype_of(self.precision)
        model = folder.load_model("AutoModelForSemanticSegmentation", device, dtype)
        if model.config.num_labels > _MAX_CLASSES:
            raise ModelError(
                f"{folder.path} has {model.config.num_labels} classes; a mask holds {_MAX_CLASSES}"
            )
        published = self.protocol == "as-published"
        pixels = _OwnPixels(processor, resize=False) if published else _OwnPixels(processor)
        network = _Network(model, pixels, device, self.batch_size)
        classes = _enlarged_numbers if published else _classes_of_enlarged
        return _Segmenter(network, classes, self.batch_size)


def _identity(place: ModelPlace, batch_size: int, precision: Precision) -> dict[str, str]:
    return {
        **pretrained_folder(place).identity(),
        **place_identity(place),
        **run_identity(batch_size, precision),
    }


# Any: transformers' auto classes give what the folder names.
@dataclass(frozen=True, eq=False)
class _Network:
    """The model and what is done to an image before it."""

    model: Any
    pixels: "Callable[[Image], torch.Tensor]"
    device: str
    batch_size: int

    def logits(self, images: Sequence[Image]) -> "Iterator[torch.Tensor]":
        """Of each image the model's logits, float32. Raises ModelError."""
        for group, num_real in batches(images, self.batch_size):
            yield from self._forward(group)[:num_real]

    def _forward(self, images: Sequence[Image]) -> "torch.Tensor":
        import torch

        try:
            pixels = torch.stack([self.pixels(image) for image in images])
            with torch.inference_mode(), exact_kernels(self.device):
                batch = pixels.to(self.device, self.model.dtype)
                logits: torch.Tensor = self.model(pixel_values=batch).logits.float()
        except (RuntimeError, ValueError, TypeError, KeyError) as exc:
            sizes = ", ".join(sorted({f"{image.width} x {image.height}" for image in images}))
            raise ModelError(
                f"{type(self.model).__name__} cannot read an image of {sizes}: {exc}; compare "
                "preprocessor_config.json with config.json"
            ) from exc
        return logits


@dataclass(frozen=True, eq=False)
class _Classifier:
    """Image in, class logits out."""

    network: _Network
    batch_size: int

    def logits(self, images: Sequence[Image]) -> npt.NDArray[np.float32]:
        """Logits, images x classes, of `batch_size` images a pass."""
        if not images:
            return np.zeros((0, self.network.model.config.num_labels), np.float32)
        return np.stack([row.cpu().numpy() for row in self.network.logits(images)])


@dataclass(frozen=True, eq=False)
class _Segmenter:
    """Image in, class index per pixel out."""

    network: _Network
    classes: "Callable[[torch.Tensor, Image], npt.NDArray[np.uint8]]"
    batch_size: int

    def segment(self, image: Image) -> npt.NDArray[np.uint8]:
        """Class index per pixel, height x width of the image."""
        return self.segment_batch([image])[0]

    def segment_batch(self, images: Sequence[Image]) -> list[npt.NDArray[np.uint8]]:
        """The same of several images, `batch_size` a pass."""
        found = self.network.logits(images)
        return [self.classes(logits, image) for logits, image in zip(found, images, strict=True)]


@dataclass(frozen=True, eq=False)
class _OwnPixels:
    """An image as the model's own processor prepares it, 3 x height x width.

    `resize` replaces the processor's own setting.
    """

    processor: Any
    resize: bool | None = None

    def __call__(self, image: Image) -> "torch.Tensor":
        import PIL.Image

        settings = {} if self.resize is None else {"do_resize": self.resize}
        # As a PIL image, because the axes of a small array would have to be guessed.
        picture = PIL.Image.fromarray(image.pixels)
        found = self.processor(images=picture, return_tensors="pt", **settings)
        tensor: torch.Tensor = found["pixel_values"][0]
        return tensor


def _classes_of_enlarged(logits: "torch.Tensor", image: Image) -> npt.NDArray[np.uint8]:
    import torch.nn.functional as F

    size = (image.height, image.width)
    full = F.interpolate(logits[None], size=size, mode="bilinear", align_corners=False)
    classes: npt.NDArray[np.uint8] = full[0].argmax(0).cpu().numpy().astype(np.uint8)
    return classes


def _enlarged_numbers(logits: "torch.Tensor", image: Image) -> npt.NDArray[np.uint8]:
    import torch.nn.functional as F

    numbers = logits.argmax(0)[None, None].float()
    size = (image.height, image.width)
    # As torchvision's Resize(antialias=True) does it to a tensor of integers.
    full = F.interpolate(numbers, size=size, mode="bilinear", align_corners=False, antialias=True)
    classes: npt.NDArray[np.uint8] = full[0, 0].round().cpu().numpy().astype(np.uint8)
    return classes
