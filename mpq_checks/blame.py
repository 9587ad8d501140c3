"""Which link of the chain moved: source data, bytes, decoded signal, distance or model output."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TypeAlias

from mpq_checks.errors import BaselineError, SourceDataError
from mpq_checks.evidence import Evidence, Row
from mpq_checks.metrics.base import Metric
from mpq_checks.noise import differs
from mpq_checks.profiles.base import Case

__all__ = [
    "SOURCE_DATA",
    "Change",
    "Links",
    "Pair",
    "changes",
    "moved_links",
    "notes_of_identities",
    "paired",
    "worst_samples",
]

Pair: TypeAlias = tuple[Row, Row]
"""A sample's row of the candidate and of the baseline."""

SOURCE_DATA = "source data"
_BYTES = "encoded bytes"
_SIGNAL = "decoded signal"
_DISTANCE = "perceptual distance"
_OUTPUT = "model output"

_WORST_SAMPLES = 5


@dataclass(frozen=True, order=True)
class Change:
    """One entry of an identity or environment that is not what it was.

    Attributes:
        part: `codec`, `task`, `perceptual` or `environment`.
        key: of the entry.
        before: in the baseline; `absent` where it had none.
        now: in the candidate; `absent` where it has none.
    """

    part: str
    key: str
    before: str
    now: str

    def __str__(self) -> str:
        """In one line."""
        return f"{self.part} {self.key}: {self.before} -> {self.now}"

    def to_json(self) -> dict[str, str]:
        """Builtin types only."""
        return asdict(self)


@dataclass(frozen=True)
class Links:
    """How many samples moved at each link.

    Attributes:
        moved: by link, in the order of the chain: samples that differ by more than float noise.
        rate: samples whose rate differs.
        psnr: samples whose PSNR differs by more than float noise.
        num_samples: samples compared.
    """

    moved: Mapping[str, int]
    rate: int
    psnr: int
    num_samples: int

    @property
    def first(self) -> str | None:
        """The first link that moved for any sample."""
        return next((link for link, count in self.moved.items() if count), None)

    def moves(self, case: Case, metric: Metric) -> bool:
        """Whether what this metric is computed from moved for any sample."""
        rate, psnr, perceptual, *_ = case.metrics
        if metric == rate:
            return self.rate > 0
        if metric == psnr:
            return self.psnr > 0
        return self.moved[_DISTANCE if metric == perceptual else _OUTPUT] > 0

    def metric_changed(self, case: Case, metric: Metric) -> bool:
        """Whether PSNR or the distance moved though every decoded signal is the same.

        Then it is not the codec that got better or worse, but the metric that is another.
        """
        _, psnr, perceptual, *_ = case.metrics
        same_signals = not self.moved[_BYTES] and not self.moved[_SIGNAL]
        return same_signals and metric in {psnr, perceptual} and self.moves(case, metric)

    def notes(self, *, drift: bool) -> tuple[str, ...]:
        """One line on the first link, or none. `drift`: it did no harm."""
        if self.first is None:
            return ()
        count = f"{self.moved[self.first]} of {self.num_samples} samples"
        if drift and self.first in {_BYTES, _SIGNAL}:
            return (f"DRIFT: {self.first} changed for {count}",)
        return (f"first moved link: {self.first} ({count})",)


def paired(candidate: Evidence, baseline: Evidence) -> list[Pair]:
    """Rows of the same samples, by sample id.

    Raises:
        BaselineError: other samples.
        SourceDataError: other source data.
    """
    stored = {row.sample_id: row for row in baseline.rows}
    pairs = []
    for row in sorted(candidate.rows, key=lambda row: row.sample_id):
        old = stored.get(row.sample_id)
        if old is None:
            raise BaselineError(
                f"the sample set changed: sample {row.sample_id!r} is not in the baseline"
            )
        if old.content_sha256 != row.content_sha256:
            raise SourceDataError(
                f"the {SOURCE_DATA} changed: sample {row.sample_id!r} has content "
                f"{row.content_sha256[:12]}, in the baseline {old.content_sha256[:12]}"
            )
        pairs.append((row, old))
    if candidate.complete and len(pairs) != len(stored):
        gone = sorted(set(stored) - {row.sample_id for row in candidate.rows})
        raise BaselineError(
            f"the sample set changed: {len(gone)} samples of the baseline are gone, "
            f"such as {gone[0]!r}"
        )
    return pairs


def moved_links(case: Case, pairs: Sequence[Pair]) -> Links:
    """Count the samples that moved at each link."""
    distance = case.task.perceptual.metric.name

    def count(has_moved: Callable[[Row, Row], bool]) -> int:
        return sum(has_moved(new, old) for new, old in pairs)

    return Links(
        moved={
            _BYTES: count(lambda new, old: new.encoded_sha256 != old.encoded_sha256),
            _SIGNAL: count(lambda new, old: new.decoded_sha256 != old.decoded_sha256),
            _DISTANCE: count(lambda new, old: differs(new.perceptual, old.perceptual, distance)),
            _OUTPUT: count(lambda new, old: differs(new.statistics, old.statistics)),
        },
        rate=count(lambda new, old: differs(new.rate, old.rate, "rate")),
        psnr=count(lambda new, old: differs(new.psnr_db, old.psnr_db, "psnr_db")),
        num_samples=len(pairs),
    )


def notes_of_identities(
    candidate: Evidence, baseline: Evidence, *, environment: bool = True
) -> tuple[str, ...]:
    """What differs in the identities of codec, task and metric, and in the environment."""
    found: list[Change] = []
    for part, identity in candidate.identities.items():
        found += changes(part, baseline.identities.get(part, {}), identity)
    if environment:
        found += changes("environment", baseline.environment, candidate.environment)
    return tuple(map(str, found))


def worst_samples(case: Case, pairs: Sequence[Pair]) -> tuple[str, ...]:
    """The samples that the task did worse on, worst first, one line each."""
    ranked = sorted(
        ((case.task.worse(old.statistics, new.statistics), new, old) for new, old in pairs),
        key=lambda item: (-item[0], item[1].sample_id),
    )
    return tuple(
        f"{new.sample_id}: {case.task.describe(old.statistics)} -> "
        f"{case.task.describe(new.statistics)}"
        for worse, new, old in ranked[:_WORST_SAMPLES]
        if worse > 0
    )


def changes(part: str, old: Mapping[str, str], new: Mapping[str, str]) -> list[Change]:
    """The entries in which two identities or environments differ, by key."""
    return [
        Change(part, key, old.get(key, "absent"), new.get(key, "absent"))
        for key in sorted(old.keys() | new.keys())
        if old.get(key) != new.get(key)
    ]
