"""Intersection over union of segmentations, over a whole dataset."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mpq_checks.errors import MetricError
from mpq_checks.metrics.base import Metric
from mpq_checks.metrics.tally import Array, Sums

__all__ = ["IGNORED", "MEAN_IOU", "intersection_and_union", "mean_iou", "mean_iou_tally"]

MEAN_IOU = Metric("mean_iou", "fraction", higher_is_better=True, decimals=3)

IGNORED = 255
"""Mask value of pixels that are not scored."""

_LOST_IMAGES = 2
"""Now and then a segmenter loses an image wholly.

docs/explanation/error-rates.md has the rates with these.
"""

ClassMap = npt.NDArray[np.integer[Any]]


def intersection_and_union(
    predicted: ClassMap, mask: ClassMap, num_classes: int
) -> tuple[list[int], list[int]]:
    """Pixels of intersection and of union, for each class, of one image.

    Args:
        predicted: class index per pixel, height x width.
        mask: the truth of that form; pixels of 255 count in neither.
        num_classes: classes, 1..255.

    Raises:
        MetricError: arrays of different shape, not height x width or not of integers; a class
            index beyond `num_classes` at a pixel that is scored.
    """
    if not 1 <= num_classes <= IGNORED:
        raise MetricError(f"mean_iou: num_classes is {num_classes}, not 1..{IGNORED}")
    if predicted.shape != mask.shape or mask.ndim != 2:
        raise MetricError(
            f"mean_iou: prediction has shape {predicted.shape}, the mask {mask.shape}; "
            "both must be the image's height x width"
        )
    scored = mask != IGNORED
    found = _classes(predicted[scored], num_classes, "prediction")
    truth = _classes(mask[scored], num_classes, "mask")
    hits = np.bincount(truth[found == truth], minlength=num_classes)
    union = (
        np.bincount(truth, minlength=num_classes) + np.bincount(found, minlength=num_classes) - hits
    )
    return [int(count) for count in hits], [int(count) for count in union]


def mean_iou(intersections: Sequence[Sequence[int]], unions: Sequence[Sequence[int]]) -> float:
    """Mean over classes of (summed intersection) / (summed union), in 0..1.

    Dataset-level, as the field reports it: counts are summed over all images first. A class that
    neither truth nor prediction holds anywhere has no union and stays out of the mean.

    Args:
        intersections: images x classes, pixels.
        unions: the same form.

    Raises:
        MetricError: no images, lists of different form, an intersection beyond its union, or no
            scored pixel at all.
    """
    return mean_iou_tally(intersections, unions).value()


def mean_iou_tally(intersections: Sequence[Sequence[int]], unions: Sequence[Sequence[int]]) -> Sums:
    """What `mean_iou` needs, and raises as it does."""
    try:
        hits = np.asarray(intersections, dtype=np.int64)
        whole = np.asarray(unions, dtype=np.int64)
    except (ValueError, TypeError, OverflowError) as exc:
        raise MetricError(f"mean_iou: counts are not images x classes: {exc}") from exc
    if hits.ndim != 2 or hits.size == 0 or hits.shape != whole.shape:
        raise MetricError(
            f"mean_iou: intersections {hits.shape} and unions {whole.shape} are not both "
            "images x classes"
        )
    if (hits < 0).any() or (hits > whole).any():
        raise MetricError("mean_iou: an intersection is negative or beyond its union")
    if not whole.any():
        raise MetricError("mean_iou: no pixel is scored; every mask is 255 throughout")
    counts = np.concatenate([hits, whole], axis=1).astype(np.float64)
    return Sums(counts, _mean_of_ratios, outliers=_LOST_IMAGES)


def _mean_of_ratios(totals: Array) -> Array:
    """Totals are the intersections of all classes, then their unions."""
    hits, whole = np.split(totals, 2, axis=-1)
    occurs = whole > 0
    ratios = np.divide(hits, whole, out=np.zeros_like(hits), where=occurs)
    return np.asarray(ratios.sum(axis=-1) / occurs.sum(axis=-1), dtype=np.float64)


def _classes(values: ClassMap, num_classes: int, what: str) -> npt.NDArray[np.int64]:
    """Class indices, checked."""
    if not np.issubdtype(values.dtype, np.integer):
        raise MetricError(f"mean_iou: {what} is {values.dtype}, not class indices")
    if values.size and (int(values.min()) < 0 or int(values.max()) >= num_classes):
        raise MetricError(
            f"mean_iou: {what} has classes {int(values.min())}..{int(values.max())}, "
            f"allowed are 0..{num_classes - 1}"
        )
    return values.astype(np.int64)
