"""What a task is: a dataset, a model, and scores kept as sufficient statistics per sample."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeAlias, runtime_checkable

from mpq_checks.datasets.base import Dataset, Mask, Sample
from mpq_checks.metrics.base import Metric, PerceptualMetric
from mpq_checks.metrics.tally import Tally
from mpq_checks.signals import Modality, Signal

__all__ = [
    "BatchEvaluator",
    "Evaluator",
    "NeedsAssets",
    "PredictsMasks",
    "Statistics",
    "Task",
    "assets_of",
    "sample_words",
]

Statistics: TypeAlias = dict[str, Any]
"""Per sample, JSON values only: what `Task.tallies` needs, and what a report shows."""


class Evaluator(Protocol):
    """A task with its model in memory."""

    def evaluate(
        self, signals: Sequence[Signal], samples: Sequence[Sample[Any]]
    ) -> list[Statistics]:
        """Predict from each signal and score it against the reference of its sample."""


@runtime_checkable
class BatchEvaluator(Protocol):
    """An evaluator whose model takes several signals at once.

    What it finds for a signal does not depend on what is beside it.
    """

    batch_size: int
    """How many its model is made for; 1 where it takes one after another."""


@runtime_checkable
class PredictsMasks(Protocol):
    """An evaluator whose predictions can be laid over the image, for reports."""

    def predicted_mask(self, signal: Signal, sample: Sample[Mask]) -> Mask:
        """Class index per pixel, height x width of the signal."""


class Task(Protocol):
    """A frozen dataclass, cheap to create; `tallies` needs no model and no torch."""

    def __hash__(self) -> int:
        """Equal tasks share one model in memory."""

    @property
    def name(self) -> str:
        """Name in test ids and file names: `imagenet-mini`."""

    @property
    def kind(self) -> str:
        """The kind of task, which names the suite: `image_classification`."""

    @property
    def modality(self) -> Modality:
        """The kind of signal."""

    @property
    def dataset(self) -> Dataset[Any]:
        """Where samples come from."""

    @property
    def perceptual(self) -> PerceptualMetric:
        """LPIPS or CDPAM with its settings."""

    @property
    def scores(self) -> tuple[Metric, ...]:
        """The task's scores, the main one first."""

    @property
    def cost(self) -> float:
        """Rough core-seconds a case takes; only orders the work (long ones first)."""

    def identity(self) -> dict[str, str]:
        """The model's identity and every setting that the scores depend on."""

    def assets(self) -> tuple[str, ...]:
        """Names of the assets that dataset, model and metric need."""

    def load(self, device: str) -> Evaluator:
        """Bring the model into memory. Raises AssetError or ModelError."""

    def tallies(self, statistics: Sequence[Mapping[str, Any]]) -> Mapping[str, Tally]:
        """What each score needs of the given samples, by its name. Raises MetricError."""

    def worse(self, baseline: Mapping[str, Any], candidate: Mapping[str, Any]) -> float:
        """How much worse one sample got, for ranking the worst; above 0 is worse."""

    def describe(self, statistics: Mapping[str, Any]) -> str:
        """One sample's outcome in a few words: `class 281, true 285`."""


def sample_words(samples: Sequence[Sample[Any]]) -> str:
    """`sample a`, or `samples a to c`, for error messages."""
    if len(samples) == 1:
        return f"sample {samples[0].sample_id}"
    return f"samples {samples[0].sample_id} to {samples[-1].sample_id}"


class NeedsAssets(Protocol):
    """A dataset, model, metric, codec, task or case."""

    def assets(self) -> tuple[str, ...]:
        """Names of the assets it needs."""


def assets_of(*parts: NeedsAssets) -> tuple[str, ...]:
    """Names of the assets that any of the parts needs, each once."""
    return tuple(dict.fromkeys(name for part in parts for name in part.assets()))
