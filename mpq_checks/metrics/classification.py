"""Scores of a classifier: top-1, likelihood of the truth, area under the ROC curve."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mpq_checks.errors import MetricError
from mpq_checks.metrics.base import Metric
from mpq_checks.metrics.tally import Proportion, RankTally, mean_tally

__all__ = [
    "AUC",
    "NLL",
    "TOP1",
    "area_under_roc_curve",
    "auc_tally",
    "log_probabilities",
    "mean_score",
    "negative_log_likelihood",
    "top1_class",
    "top1_tally",
]

TOP1 = Metric("top1", "fraction", higher_is_better=True, decimals=3)
NLL = Metric("nll", "nats", higher_is_better=False, decimals=3)
AUC = Metric("auc", "fraction", higher_is_better=True, decimals=3)

Logits = npt.NDArray[np.floating[Any]]


def top1_class(logits: Logits) -> int:
    """Index of the largest logit; of equal ones the first.

    Raises:
        MetricError: logits that are not a vector of finite numbers.
    """
    return int(np.argmax(_checked(logits)))


def log_probabilities(logits: Logits) -> npt.NDArray[np.float64]:
    """Log-softmax of one vector of logits, in float64; values up to 0, in nats.

    Raises:
        MetricError: logits that are not a vector of finite numbers.
    """
    shifted = _checked(logits) - np.max(logits)
    return np.asarray(shifted - np.log(np.sum(np.exp(shifted))), dtype=np.float64)


def negative_log_likelihood(logits: Logits, label: int) -> float:
    """Minus the log-probability of the true class, in nats: 0 for certainty, else above.

    Raises:
        MetricError: logits that are not a vector of finite numbers, a label outside of them.
    """
    log_p = log_probabilities(logits)
    if not 0 <= label < log_p.size:
        raise MetricError(f"nll: label {label} is outside of the {log_p.size} classes")
    # The maximum keeps -0.0 and rounding below zero out.
    return max(0.0, -float(log_p[label]))


def area_under_roc_curve(scores: Sequence[float], labels: Sequence[int]) -> float:
    """Probability that a positive scores above a negative, ties counting half; 0..1.

    The statistic of Mann and Whitney: pairs of a positive and a negative that the positive wins,
    over all such pairs.

    Args:
        scores: one a sample, higher for class 1.
        labels: 0 or 1.

    Raises:
        MetricError: lists of different length, scores that are not finite, labels other than 0
            and 1, or only one of the two classes.
    """
    return auc_tally(scores, labels).value()


def auc_tally(scores: Sequence[float], labels: Sequence[int]) -> RankTally:
    """What `area_under_roc_curve` needs, and raises as it does."""
    values = np.asarray(scores, dtype=np.float64)
    truth = np.asarray(labels)
    if values.ndim != 1 or values.shape != truth.shape:
        raise MetricError(f"auc: {values.shape} scores for {truth.shape} labels")
    if not np.isfinite(values).all():
        raise MetricError("auc: scores are NaN or infinite")
    if not np.isin(truth, (0, 1)).all():
        raise MetricError(f"auc: labels {sorted(set(truth.tolist()))} are not all 0 or 1")
    num_positive = int(np.count_nonzero(truth))
    num_negative = truth.size - num_positive
    if num_positive == 0 or num_negative == 0:
        raise MetricError(
            f"auc: {num_positive} positives and {num_negative} negatives; it needs both, "
            "so measure more samples"
        )
    return RankTally(values, truth == 1)


def mean_score(values: Sequence[float], name: str) -> float:
    """Mean of one number a sample, as top-1 and NLL are pooled.

    Args:
        values: the numbers.
        name: of the score, for messages.

    Raises:
        MetricError: no values, or values that are not finite.
    """
    tally = mean_tally(values, name)
    if tally.infinite.any():
        raise MetricError(f"{name}: a sample's value is NaN or infinite")
    return tally.value()


def top1_tally(correct: Sequence[int]) -> Proportion:
    """Top-1 of samples that are correct, 1, or not, 0.

    Raises:
        MetricError: no samples, or anything but 0 and 1.
    """
    successes = np.asarray(correct, dtype=np.float64)
    if successes.ndim != 1 or successes.size == 0:
        raise MetricError(f"{TOP1.name}: no samples to take the mean of")
    if not np.isin(successes, (0.0, 1.0)).all():
        raise MetricError(f"{TOP1.name}: a sample's `correct` is neither 0 nor 1")
    return Proportion(successes)


def _checked(logits: Logits) -> npt.NDArray[np.float64]:
    """Logits as a float64 vector."""
    vector = np.asarray(logits, dtype=np.float64)
    if vector.ndim != 1 or vector.size == 0:
        raise MetricError(f"logits have shape {vector.shape}, not one number a class")
    if not np.isfinite(vector).all():
        raise MetricError("logits are NaN or infinite; the model is broken on this input")
    return vector
