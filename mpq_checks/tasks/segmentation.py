"""Semantic segmentation: mean intersection over union of the dataset."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mpq_checks.datasets.base import Dataset, Mask, Sample
from mpq_checks.errors import DatasetError, MetricError, ModelError, MpqError
from mpq_checks.metrics.base import Metric, PerceptualMetric
from mpq_checks.metrics.lpips import Lpips
from mpq_checks.metrics.segmentation import (
    IGNORED,
    MEAN_IOU,
    intersection_and_union,
    mean_iou,
    mean_iou_tally,
)
from mpq_checks.metrics.tally import Tally
from mpq_checks.models.base import BatchSegmenter, ImageSegmenter, Model
from mpq_checks.signals import Image, Modality, Signal
from mpq_checks.tasks.base import Evaluator, Statistics, assets_of, sample_words
from mpq_checks.tasks.statistics import column

__all__ = ["Segmentation"]


@dataclass(frozen=True)
class Segmentation:
    """Images with a class per pixel; 255 in a mask is not scored.

    Score: mean IoU over the classes that occur, of pixel counts summed over the samples.
    Statistics of a sample: `intersection` and `union`, pixels of each class.

    Args:
        name: name in test ids and file names.
        dataset: images with their masks.
        model: gives a class per pixel; its classes are those of the masks.
        num_classes: classes, 2..255.
        perceptual: deep similarity.
        cost: rough core-seconds a case takes.
    """

    name: str
    dataset: Dataset[Mask]
    model: Model[ImageSegmenter]
    num_classes: int
    perceptual: PerceptualMetric = field(default_factory=Lpips)
    cost: float = 40.0

    def __post_init__(self) -> None:
        """Refuse a number of classes that masks cannot hold."""
        if not 2 <= self.num_classes <= IGNORED:
            raise MetricError(f"task {self.name}: num_classes is {self.num_classes}, not 2..255")

    @property
    def kind(self) -> str:
        """`segmentation`."""
        return "segmentation"

    @property
    def modality(self) -> Modality:
        """Images."""
        return "image"

    @property
    def scores(self) -> tuple[Metric, ...]:
        """Mean IoU."""
        return (MEAN_IOU,)

    def identity(self) -> dict[str, str]:
        """The kind of task, the number of classes and the model's identity."""
        return {
            "task": self.kind,
            "num_classes": str(self.num_classes),
            **self.model.identity(),
        }

    def assets(self) -> tuple[str, ...]:
        """Of dataset, model and metric."""
        return assets_of(self.dataset, self.model, self.perceptual)

    def load(self, device: str) -> Evaluator:
        """Bring the model into memory. Raises AssetError or ModelError."""
        return _Evaluator(self, self.model.load(device))

    def tallies(self, statistics: Sequence[Mapping[str, Any]]) -> dict[str, Tally]:
        """Of mean IoU.

        Raises:
            MetricError: no samples, statistics that lack a field, or no scored pixel.
        """
        intersections = column(statistics, "intersection")
        return {MEAN_IOU.name: mean_iou_tally(intersections, column(statistics, "union"))}

    def worse(self, baseline: Mapping[str, Any], candidate: Mapping[str, Any]) -> float:
        """Fall of the sample's own mean IoU."""
        return _own_iou(baseline) - _own_iou(candidate)

    def describe(self, statistics: Mapping[str, Any]) -> str:
        """`IoU 0.95 0.81`: of each class that occurs in the sample; `-` for the others."""
        pairs = zip(statistics["intersection"], statistics["union"], strict=True)
        return "IoU " + " ".join(f"{hits / whole:.2f}" if whole else "-" for hits, whole in pairs)


def _own_iou(statistics: Mapping[str, Any]) -> float:
    """Mean IoU of one sample; 1 where nothing is scored."""
    if not any(statistics["union"]):
        return 1.0
    return mean_iou([statistics["intersection"]], [statistics["union"]])


class _Evaluator:
    """The task with its segmenter in memory."""

    def __init__(self, task: Segmentation, segmenter: ImageSegmenter) -> None:
        self._task = task
        self._segmenter = segmenter
        self.batch_size = segmenter.batch_size if isinstance(segmenter, BatchSegmenter) else 1

    def evaluate(
        self, signals: Sequence[Signal], samples: Sequence[Sample[Mask]]
    ) -> list[Statistics]:
        """Segment each image; `batch_size` of them are one call of the segmenter.

        Raises:
            ModelError: a prediction of the wrong form or with unknown classes; it failed.
            DatasetError: a mask of the wrong form or with classes beyond `num_classes`.
        """
        found: list[Statistics] = []
        for first in range(0, len(signals), self.batch_size):
            part = slice(first, first + self.batch_size)
            masks = self._masks(signals[part], samples[part])
            found += map(self._statistics, masks, samples[part])
        return found

    def predicted_mask(self, signal: Signal, sample: Sample[Mask]) -> Mask:
        """Class index per pixel, height x width. Raises as `evaluate` does."""
        (mask,) = self._masks([signal], [sample])
        return mask

    def _masks(self, signals: Sequence[Signal], samples: Sequence[Sample[Mask]]) -> list[Mask]:
        where = self._where(samples)
        images = []
        for signal, sample in zip(signals, samples, strict=True):
            if not isinstance(signal, Image):
                raise MetricError(f"{where}: segments images, not {type(signal).__name__}")
            self._require_mask(signal, sample)
            images.append(signal)
        try:
            masks = [np.asarray(mask) for mask in self._segment(images)]
        except MpqError:
            raise
        except Exception as exc:
            raise ModelError(f"{where}: the segmenter failed: {exc}") from exc
        if len(masks) != len(images):
            raise ModelError(f"{where}: the segmenter gave {len(masks)} masks")
        return masks

    def _segment(self, images: Sequence[Image]) -> Sequence[Mask]:
        if len(images) > 1 and isinstance(self._segmenter, BatchSegmenter):
            return self._segmenter.segment_batch(images)
        return [self._segmenter.segment(image) for image in images]

    def _where(self, samples: Sequence[Sample[Mask]]) -> str:
        return f"task {self._task.name}, {sample_words(samples)}"

    def _statistics(self, predicted: Mask, sample: Sample[Mask]) -> Statistics:
        try:
            hits, union = intersection_and_union(
                predicted, sample.reference, self._task.num_classes
            )
        except MetricError as exc:
            # The mask is checked above, so what does not fit is the prediction.
            raise ModelError(f"{self._where([sample])}: {exc}") from exc
        return {"intersection": hits, "union": union}

    def _require_mask(self, signal: Image, sample: Sample[Mask]) -> None:
        mask = sample.reference
        where = f"{self._task.dataset.name}, sample {sample.sample_id}"
        if mask.shape != (signal.height, signal.width):
            raise DatasetError(
                f"{where}: mask has shape {mask.shape}, the image {signal.height} x {signal.width}"
            )
        classes = set(np.unique(mask).tolist()) - {IGNORED}
        beyond = sorted(index for index in classes if not 0 <= index < self._task.num_classes)
        if beyond:
            raise DatasetError(
                f"{where}: mask has class {beyond[0]}, beyond the {self._task.num_classes} classes "
                f"(0..{self._task.num_classes - 1}) of task {self._task.name}"
            )
