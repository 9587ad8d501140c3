"""Scores as the code of "Machine Perceptual Quality" (Jacobellis et al., 2024) counted them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mpq_checks.errors import MetricError
from mpq_checks.metrics.sdr import SDR_DB, decode_db, stem_sdr_metric
from mpq_checks.metrics.tally import Tally, mean_tally, ratio_tally
from mpq_checks.tasks.source_separation import SourceSeparation
from mpq_checks.tasks.statistics import column

__all__ = ["PublishedSeparation"]


@dataclass(frozen=True)
class PublishedSeparation(SourceSeparation):
    """Source separation whose SDR is a mean over all frames of all stems and tracks together.

    A long track thus counts more than a short one. The frames are those of `window_seconds` and
    `hop_seconds`, which the paper's code set to 2 and 1.5 s.
    """

    window_seconds: float = 2.0
    hop_seconds: float = 1.5

    def identity(self) -> dict[str, str]:
        """Of `SourceSeparation`, and how the score is counted."""
        return {**super().identity(), "score": "mean over frames of all stems and tracks together"}

    def tallies(self, statistics: Sequence[Mapping[str, Any]]) -> dict[str, Tally]:
        """Of each score. Raises MetricError as `SourceSeparation.tallies` does."""
        pooled = {SDR_DB.name: _pooled(SDR_DB.name, column(statistics, "frames_db"), self.stems)}
        for stem in self.stems:
            name = stem_sdr_metric(stem).name
            pooled[name] = _pooled(name, column(statistics, "frames_db"), (stem,))
        return {**super().tallies(statistics), **pooled}


def _pooled(name: str, rows: Sequence[Mapping[str, Any]], stems: Sequence[str]) -> Tally:
    """The mean of the frames of these stems over all rows; infinite where one is."""
    values = [
        [value for stem in stems for value in map(decode_db, row[stem]) if value is not None]
        for row in rows
    ]
    if not any(values):
        raise MetricError(f"{name}: no frame in which every stem and every estimate sounds")
    infinite = mean_tally([max(frames, default=None) for frames in values], name).infinite
    finite = [0.0 if lost else sum(frames) for lost, frames in zip(infinite, values, strict=True)]
    tally = ratio_tally(finite, [float(len(frames)) for frames in values], name)
    return type(tally)(tally.columns, tally.combine, infinite)
