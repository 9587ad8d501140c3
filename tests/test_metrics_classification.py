"""Classification scores against scikit-learn."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, log_loss, roc_auc_score

from mpq_checks.errors import MetricError
from mpq_checks.metrics.classification import (
    AUC,
    NLL,
    TOP1,
    area_under_roc_curve,
    log_probabilities,
    mean_score,
    negative_log_likelihood,
    top1_class,
)

seeds = st.integers(0, 2**32 - 1)


def draw(seed: int, samples: int = 40, classes: int = 7) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    logits = random.normal(0, 4, (samples, classes)).astype(np.float32)
    labels = np.append(np.arange(classes), random.integers(0, classes, samples - classes))
    return logits, labels


@settings(deadline=None, max_examples=30)
@given(seeds)
def test_nll_and_top1_equal_scikit_learn(seed: int) -> None:
    logits, labels = draw(seed)
    p = np.exp(np.stack([log_probabilities(row) for row in logits]))
    nll = [negative_log_likelihood(row, int(k)) for row, k in zip(logits, labels, strict=True)]
    top1 = [float(top1_class(row) == k) for row, k in zip(logits, labels, strict=True)]
    expected = log_loss(labels, p / p.sum(axis=1, keepdims=True))
    assert mean_score(nll, "nll") == pytest.approx(expected, abs=1e-12)
    assert mean_score(top1, "top1") == accuracy_score(labels, logits.argmax(axis=1))


@settings(deadline=None, max_examples=100)
@given(seeds, st.integers(2, 60), st.sampled_from([2, 5, 1000]))
def test_auc_equals_scikit_learn_with_and_without_ties(seed: int, size: int, levels: int) -> None:
    random = np.random.default_rng(seed)
    scores = random.integers(0, levels, size) / 7
    labels = np.append([0, 1], random.integers(0, 2, size - 2))
    expected = roc_auc_score(labels, scores)
    assert area_under_roc_curve(list(scores), list(labels)) == pytest.approx(expected, abs=1e-12)


def test_auc_of_perfect_reversed_and_constant_scores() -> None:
    labels = [0, 0, 1, 1, 1]
    assert area_under_roc_curve([1, 2, 3, 4, 5], labels) == 1.0
    assert area_under_roc_curve([5, 4, 3, 2, 1], labels) == 0.0
    assert area_under_roc_curve([3, 3, 3, 3, 3], labels) == 0.5


def test_nll_survives_extreme_logits() -> None:
    logits = np.array([1000.0, -1000.0, 0.0], np.float32)
    assert negative_log_likelihood(logits, 0) == 0.0
    assert negative_log_likelihood(logits, 1) == 2000.0


def test_nll_of_no_preference_is_the_log_of_the_classes() -> None:
    assert negative_log_likelihood(np.zeros(1000, np.float32), 3) == pytest.approx(np.log(1000))


def test_first_of_equal_logits_wins() -> None:
    assert top1_class(np.array([0.0, 2.0, 2.0])) == 1


@settings(deadline=None, max_examples=30)
@given(seeds)
def test_scores_worsen_as_noise_on_the_logits_grows(seed: int) -> None:
    random = np.random.default_rng(seed)
    labels = np.arange(400) % 2
    truth = np.stack([1.0 - labels, labels], axis=1) * 4
    noise = random.normal(0, 1, truth.shape)
    results = []
    for level in (0.5, 4.0, 32.0):
        logits = truth + level * noise
        pairs = list(zip(logits, labels.tolist(), strict=True))
        results.append(
            (
                mean_score([top1_class(row) == k for row, k in pairs], "top1"),
                -mean_score([negative_log_likelihood(row, k) for row, k in pairs], "nll"),
                area_under_roc_curve([row[1] - row[0] for row in logits], labels.tolist()),
            )
        )
    for column in zip(*results, strict=True):
        assert list(column) == sorted(column, reverse=True)


def test_directions() -> None:
    assert TOP1.higher_is_better
    assert AUC.higher_is_better
    assert not NLL.higher_is_better


@pytest.mark.parametrize(
    "logits", [np.zeros((1, 3)), np.zeros(0), np.array([0, np.nan]), np.array([0, np.inf])]
)
def test_bad_logits_are_refused(logits: np.ndarray) -> None:
    with pytest.raises(MetricError, match="logits"):
        negative_log_likelihood(logits, 0)
    with pytest.raises(MetricError, match="logits"):
        top1_class(logits)


@pytest.mark.parametrize("label", [-1, 3])
def test_label_out_of_range_is_refused(label: int) -> None:
    with pytest.raises(MetricError, match="3 classes"):
        negative_log_likelihood(np.zeros(3), label)


@pytest.mark.parametrize(
    ("scores", "labels", "said"),
    [
        ([1.0, 2.0], [0], "labels"),
        ([1.0, np.nan], [0, 1], "NaN"),
        ([1.0, 2.0], [1, 1], "0 negatives"),
        ([1.0, 2.0], [0, 0], "0 positives"),
        ([1.0, 2.0], [0, 2], "0 or 1"),
        ([], [], "0 positives"),
    ],
)
def test_bad_auc_input_is_refused(scores: list[float], labels: list[int], said: str) -> None:
    with pytest.raises(MetricError, match=said):
        area_under_roc_curve(scores, labels)


@pytest.mark.parametrize("values", [[], [1.0, np.nan], [np.inf]])
def test_mean_of_nothing_or_of_nan_is_refused(values: list[float]) -> None:
    with pytest.raises(MetricError, match="top1"):
        mean_score(values, "top1")
