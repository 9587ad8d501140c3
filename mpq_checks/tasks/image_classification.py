"""Image classification: top-1 accuracy and the likelihood of the truth."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mpq_checks.datasets.base import Dataset, Label, Sample
from mpq_checks.errors import DatasetError, MetricError, ModelError, MpqError
from mpq_checks.metrics.base import Metric, PerceptualMetric
from mpq_checks.metrics.classification import (
    AUC,
    NLL,
    TOP1,
    auc_tally,
    negative_log_likelihood,
    top1_class,
    top1_tally,
)
from mpq_checks.metrics.lpips import Lpips
from mpq_checks.metrics.tally import Tally, mean_tally
from mpq_checks.models.base import ImageClassifier, Model
from mpq_checks.signals import Image, Modality, Signal
from mpq_checks.tasks.base import Evaluator, Statistics, assets_of, sample_words
from mpq_checks.tasks.statistics import column

__all__ = ["ImageClassification"]

# Ranks a lost decision above any fall in likelihood.
_FLIP = 1000.0


@dataclass(frozen=True)
class ImageClassification:
    """Images with one class each.

    Scores: top-1 (of equal logits the first class counts), the mean negative log-likelihood of
    the true class in nats, and with `binary` the area under the ROC curve of class 1.

    Statistics of a sample: `label`, `predicted`, `correct` 0 or 1, `nll`, and with `binary`
    `score`, the logit of class 1 less that of class 0.

    Args:
        name: name in test ids and file names.
        dataset: images with their class.
        model: gives the logits; its classes are those of the dataset, in that order.
        perceptual: deep similarity.
        binary: whether there are two classes, of which 1 is the one to be found.
        cost: rough core-seconds a case takes.
    """

    name: str
    dataset: Dataset[Label]
    model: Model[ImageClassifier]
    perceptual: PerceptualMetric = field(default_factory=Lpips)
    binary: bool = False
    cost: float = 20.0

    @property
    def kind(self) -> str:
        """`image_classification`."""
        return "image_classification"

    @property
    def modality(self) -> Modality:
        """Images."""
        return "image"

    @property
    def scores(self) -> tuple[Metric, ...]:
        """Top-1, NLL, and AUC of two classes."""
        return (TOP1, NLL, AUC) if self.binary else (TOP1, NLL)

    def identity(self) -> dict[str, str]:
        """The kind of task and the model's identity."""
        return {"task": self.kind, "binary": str(self.binary), **self.model.identity()}

    def assets(self) -> tuple[str, ...]:
        """Of dataset, model and metric."""
        return assets_of(self.dataset, self.model, self.perceptual)

    def load(self, device: str) -> Evaluator:
        """Bring the model into memory. Raises AssetError or ModelError."""
        return _Evaluator(self, self.model.load(device))

    def tallies(self, statistics: Sequence[Mapping[str, Any]]) -> dict[str, Tally]:
        """Of each score.

        Raises:
            MetricError: no samples, statistics that lack a field, or for AUC only one class.
        """
        tallies: dict[str, Tally] = {
            TOP1.name: top1_tally(column(statistics, "correct")),
            NLL.name: mean_tally(column(statistics, "nll"), NLL.name),
        }
        if self.binary:
            labels = column(statistics, "label")
            tallies[AUC.name] = auc_tally(column(statistics, "score"), labels)
        return tallies

    def worse(self, baseline: Mapping[str, Any], candidate: Mapping[str, Any]) -> float:
        """Rise of the NLL, after whether the decision was lost (or won)."""
        flip = int(baseline["correct"]) - int(candidate["correct"])
        return _FLIP * flip + float(candidate["nll"]) - float(baseline["nll"])

    def describe(self, statistics: Mapping[str, Any]) -> str:
        """`class 281, true 285, nll 3.20`."""
        return (
            f"class {statistics['predicted']}, true {statistics['label']}, "
            f"nll {statistics['nll']:.2f}"
        )


class _Evaluator:
    """The task with its classifier in memory."""

    def __init__(self, task: ImageClassification, classifier: ImageClassifier) -> None:
        self._task = task
        self._classifier = classifier
        self.batch_size: int = getattr(classifier, "batch_size", 1)

    def evaluate(
        self, signals: Sequence[Signal], samples: Sequence[Sample[Label]]
    ) -> list[Statistics]:
        """Classify each image; `batch_size` of them are one call of the classifier.

        Raises:
            ModelError: logits of the wrong form or number, or not finite; the classifier failed.
            DatasetError: a label that is no class index, or beyond the model's classes.
        """
        found: list[Statistics] = []
        for first in range(0, len(signals), self.batch_size):
            part = slice(first, first + self.batch_size)
            logits = self._logits(signals[part], samples[part])
            found += map(self._statistics, logits, samples[part])
        return found

    def _statistics(self, logits: Any, sample: Sample[Label]) -> Statistics:
        label = self._label(sample, logits.size)
        predicted = top1_class(logits)
        statistics: Statistics = {
            "label": label,
            "predicted": predicted,
            "correct": int(predicted == label),
            "nll": negative_log_likelihood(logits, label),
        }
        if self._task.binary:
            statistics["score"] = float(logits[1]) - float(logits[0])
        return statistics

    def _logits(self, signals: Sequence[Signal], samples: Sequence[Sample[Label]]) -> Any:
        where = f"task {self._task.name}, {sample_words(samples)}"
        images = [signal for signal in signals if isinstance(signal, Image)]
        if len(images) != len(samples):
            odd = next(signal for signal in signals if not isinstance(signal, Image))
            raise MetricError(f"{where}: classifies images, not {type(odd).__name__}")
        try:
            logits = np.asarray(self._classifier.logits(images))
        except MpqError:
            raise
        except Exception as exc:
            raise ModelError(f"{where}: the classifier failed: {exc}") from exc
        if logits.ndim != 2 or logits.shape[0] != len(images) or logits.shape[1] < 2:
            raise ModelError(
                f"{where}: logits have shape {logits.shape}, not {len(images)} x classes"
            )
        if not np.isfinite(logits).all():
            raise ModelError(f"{where}: logits are NaN or infinite")
        if self._task.binary and logits.shape[1] != 2:
            raise ModelError(
                f"{where}: the task is binary, but the model has {logits.shape[1]} classes; "
                "use a model of two classes or binary=False"
            )
        return logits

    def _label(self, sample: Sample[Label], num_classes: int) -> int:
        label = sample.reference
        if isinstance(label, bool) or not isinstance(label, (int, np.integer)):
            kind = type(label).__name__
            raise DatasetError(
                f"{self._task.dataset.name}, sample {sample.sample_id}: the reference is {kind}, "
                "not a class index"
            )
        if not 0 <= label < num_classes:
            raise DatasetError(
                f"{self._task.dataset.name}, sample {sample.sample_id}: class {label} is outside "
                f"of the model's {num_classes} classes (0..{num_classes - 1}); dataset and model "
                f"of task {self._task.name} do not fit"
            )
        return int(label)
