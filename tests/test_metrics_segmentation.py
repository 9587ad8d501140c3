"""Mean IoU against scikit-learn's Jaccard index."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import jaccard_score

from mpq_checks.errors import MetricError
from mpq_checks.metrics.segmentation import IGNORED, MEAN_IOU, intersection_and_union, mean_iou

seeds = st.integers(0, 2**32 - 1)


def draw(seed: int, classes: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Predictions and masks of images of different size, with ignored pixels and empty classes."""
    random = np.random.default_rng(seed)
    pairs = []
    for _ in range(4):
        shape = tuple(random.integers(1, 12, 2))
        mask = random.integers(0, max(1, classes - 1), shape).astype(np.uint8)
        guess = np.where(random.random(shape) < 0.6, mask, random.integers(0, classes, shape))
        mask[random.random(shape) < 0.2] = IGNORED
        mask[0, 0] = 0
        pairs.append((guess.astype(np.uint8), mask))
    return pairs


@settings(deadline=None, max_examples=60)
@given(seeds, st.integers(2, 6))
def test_equals_scikit_learn_on_the_pooled_pixels(seed: int, classes: int) -> None:
    pairs = draw(seed, classes)
    counts = [intersection_and_union(guess, mask, classes) for guess, mask in pairs]
    value = mean_iou([hits for hits, _ in counts], [union for _, union in counts])
    truth = np.concatenate([mask[mask != IGNORED] for _, mask in pairs])
    found = np.concatenate([guess[mask != IGNORED] for guess, mask in pairs])
    present = np.union1d(truth, found)
    expected = jaccard_score(truth, found, labels=present, average="macro", zero_division=0)
    assert value == pytest.approx(expected, abs=1e-12)
    assert 0 <= value <= 1


@settings(deadline=None, max_examples=30)
@given(seeds)
def test_counts_are_those_of_boolean_masks(seed: int) -> None:
    (guess, mask), *_ = draw(seed, 5)
    hits, union = intersection_and_union(guess, mask, 5)
    scored = mask != IGNORED
    for index in range(5):
        assert hits[index] == np.sum((guess == index) & (mask == index) & scored)
        assert union[index] == np.sum(((guess == index) | (mask == index)) & scored)
    assert all(type(count) is int for count in hits + union)


def test_is_of_the_dataset_not_the_mean_over_images() -> None:
    big, small = np.zeros((10, 10), np.uint8), np.zeros((1, 1), np.uint8)
    counts = [
        intersection_and_union(big, big, 2),
        intersection_and_union(np.ones((1, 1), np.uint8), small, 2),
    ]
    value = mean_iou([hits for hits, _ in counts], [union for _, union in counts])
    assert value == pytest.approx((100 / 101 + 0 / 1) / 2)


def test_a_perfect_prediction_is_one_and_absent_classes_do_not_count() -> None:
    mask = np.array([[0, 3], [3, IGNORED]], np.uint8)
    hits, union = intersection_and_union(np.where(mask == IGNORED, 1, mask), mask, 9)
    assert mean_iou([hits], [union]) == 1.0


def test_falls_as_a_mask_is_shifted_further() -> None:
    mask = np.zeros((40, 40), np.uint8)
    mask[10:25, 10:25] = 1
    values = []
    for shift in (0, 1, 2, 4, 8, 15):
        hits, union = intersection_and_union(np.roll(mask, shift, axis=1), mask, 2)
        values.append(mean_iou([hits], [union]))
    assert values == sorted(values, reverse=True)
    assert values[0] == 1.0
    assert values[-1] < 0.5
    assert MEAN_IOU.higher_is_better


@pytest.mark.parametrize(
    ("guess", "mask", "classes", "said"),
    [
        (np.zeros((2, 3), np.uint8), np.zeros((3, 2), np.uint8), 2, "shape"),
        (np.zeros(4, np.uint8), np.zeros(4, np.uint8), 2, "shape"),
        (np.full((2, 2), 2, np.uint8), np.zeros((2, 2), np.uint8), 2, "prediction"),
        (np.zeros((2, 2), np.uint8), np.full((2, 2), 7, np.uint8), 2, "mask"),
        (np.zeros((2, 2), np.float32), np.zeros((2, 2), np.uint8), 2, "float32"),
        (np.full((2, 2), -1), np.zeros((2, 2), np.uint8), 2, "-1"),
        (np.zeros((2, 2), np.uint8), np.zeros((2, 2), np.uint8), 0, "num_classes"),
        (np.zeros((2, 2), np.uint8), np.zeros((2, 2), np.uint8), 256, "num_classes"),
    ],
)
def test_bad_maps_are_refused(guess: np.ndarray, mask: np.ndarray, classes: int, said: str) -> None:
    with pytest.raises(MetricError, match=said):
        intersection_and_union(guess, mask, classes)


@pytest.mark.parametrize(
    ("hits", "unions", "said"),
    [
        ([], [], "images x classes"),
        ([[1, 2]], [[1, 2, 3]], "images x classes"),
        ([[1], [1, 2]], [[1], [1, 2]], "images x classes"),
        ([[3, 0]], [[2, 1]], "beyond its union"),
        ([[-1, 0]], [[2, 1]], "negative"),
        ([[0, 0]], [[0, 0]], "no pixel"),
    ],
)
def test_bad_counts_are_refused(hits: list[list[int]], unions: list[list[int]], said: str) -> None:
    with pytest.raises(MetricError, match=said):
        mean_iou(hits, unions)
