"""Which cases exist, as data: codecs x tasks with the margins one is willing to accept."""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Protocol, runtime_checkable

from mpq_checks.codecs.base import Codec
from mpq_checks.errors import ProfileError
from mpq_checks.metrics.base import Metric
from mpq_checks.metrics.psnr import PSNR_DB
from mpq_checks.metrics.rate import rate_metric
from mpq_checks.profiles.counting import Counting
from mpq_checks.tasks.base import Task, assets_of

__all__ = ["Case", "HasOrigin", "Margin", "Profile", "cases"]

_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")


@runtime_checkable
class HasOrigin(Protocol):
    """A dataset that is read from more than one place, and says from which."""

    def origin(self) -> dict[str, str]:
        """Commit and hashes of the files, or the folder. Raises AssetError or DatasetError."""


@dataclass(frozen=True)
class Margin:
    """The drop of a metric that one is willing to accept.

    `value` is in the metric's own unit, or with `relative` a fraction of the baseline's value.
    """

    value: float
    reason: str
    relative: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot be a margin."""
        if not math.isfinite(self.value) or self.value < 0:
            raise ProfileError(f"margin {self.value!r} is not a finite number of at least 0")

    def absolute(self, baseline: float) -> float:
        """The margin in the metric's unit, at this value of the baseline."""
        if not self.relative or math.isinf(baseline):
            return self.value
        return self.value * abs(baseline)


@dataclass(frozen=True)
class Case:
    """One codec under one task; one test.

    Args:
        task: dataset, model and scores.
        codec: what the samples go through.
        margins: by metric, the drop that is accepted.
        counting: how rate, PSNR and distance come from the rows.
        errata: short names of the known errors of a published study that the case repeats.

    Raises:
        ProfileError: a name that cannot be a file name, a codec of another modality, a metric
            without a margin.
    """

    task: Task
    codec: Codec
    margins: Mapping[str, Margin] = field(hash=False)
    counting: Counting = field(default_factory=Counting)
    errata: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check that the parts fit together."""
        for what, name in (("task", self.task.name), ("codec", self.codec.name)):
            if not _NAME.fullmatch(name):
                raise ProfileError(
                    f"{what} name {name!r} is not of the form 'imagenet-mini': "
                    "lower-case letters, digits, '-' and '.'"
                )
        if self.codec.modality != self.task.modality:
            raise ProfileError(
                f"case {self.id}: codec {self.codec.name} codes {self.codec.modality}, "
                f"task {self.task.name} reads {self.task.modality}"
            )
        missing = [metric.name for metric in self.metrics if metric.name not in self.margins]
        if missing:
            raise ProfileError(f"case {self.id}: no margin for {', '.join(missing)}")

    @property
    def id(self) -> str:
        """`task/codec`, as in test ids."""
        return f"{self.task.name}/{self.codec.name}"

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Rate, PSNR, perceptual distance, then the task's scores."""
        return (
            rate_metric(self.task.modality),
            PSNR_DB,
            self.task.perceptual.metric,
            *self.task.scores,
        )

    def assets(self) -> tuple[str, ...]:
        """Names of all assets the case needs."""
        return assets_of(self.task, self.codec)

    def identities(self) -> dict[str, dict[str, str]]:
        """Of codec, task and perceptual metric, and how numbers are counted if not by the rule.

        The task's has where the samples are from, if the dataset tells. Raises MpqError.
        """
        found = {
            "codec": self.codec.identity(),
            "task": {**self.task.identity(), **self._origin()},
            "perceptual": self.task.perceptual.identity(),
        }
        counting = self.counting.identity()
        return {**found, "counting": counting} if counting else found

    def _origin(self) -> dict[str, str]:
        dataset = self.task.dataset
        origin = dataset.origin() if isinstance(dataset, HasOrigin) else {}
        return {f"dataset {key}": value for key, value in origin.items()}


@dataclass(frozen=True)
class Profile:
    """A named set of cases.

    Raises:
        ProfileError: no cases, a name that cannot be a folder, or two cases of one name.
    """

    name: str
    cases: tuple[Case, ...]

    def __post_init__(self) -> None:
        """Check that every case has a name of its own."""
        if not _NAME.fullmatch(self.name):
            raise ProfileError(
                f"profile name {self.name!r} is not lower-case letters, digits, '-' and '.'"
            )
        if not self.cases:
            raise ProfileError(f"profile {self.name} has no cases")
        seen: set[str] = set()
        for case in self.cases:
            if case.id in seen:
                raise ProfileError(f"profile {self.name} has two cases named {case.id}")
            seen.add(case.id)

    def case(self, case_id: str) -> Case | None:
        """The case of this id, or None."""
        return next((case for case in self.cases if case.id == case_id), None)

    @property
    def family_size(self) -> int:
        """Metrics that are judged in the whole profile: what the false alarm rate is shared by."""
        return sum(len(case.metrics) for case in self.cases)

    def assets(self) -> tuple[str, ...]:
        """Names of all assets that the profile needs."""
        return assets_of(*self.cases)


def cases(
    tasks: Iterable[Task],
    codecs: Iterable[Codec],
    margins: Mapping[str, Margin] | None = None,
) -> tuple[Case, ...]:
    """Every task with every codec of its modality.

    Args:
        tasks: the tasks.
        codecs: the codecs, of any modality.
        margins: by metric name; these replace the defaults of `mpq_checks.profiles.margins`.
    """
    from mpq_checks.profiles.margins import DEFAULT_MARGINS

    chosen = {**DEFAULT_MARGINS, **(margins or {})}
    return tuple(
        Case(task, codec, chosen)
        for task, codec in product(tuple(tasks), tuple(codecs))
        if task.modality == codec.modality
    )
