"""Populations to draw simulated runs from: real pairs of evidence, mixed until they are as wanted.

A pair is the committed baseline of a case and the evidence of a real change of it, as
`canaries.py measure` left it. Drawing clusters with replacement from a pair gives runs with the
discordance, skew and noise that real changes have.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from canary_changes import CHANGES
from canary_store import path_of, read_evidence, stored_baseline

from mpq_checks.aggregate import tallies
from mpq_checks.evidence import Evidence
from mpq_checks.metrics.tally import Array, Proportion, RankTally, Sums, Tally
from mpq_checks.profiles.base import Case
from mpq_checks.profiles.mini import profile

__all__ = ["Pair", "cases_with_pairs", "drawn", "interpolated", "swapped", "thinned"]

Indices = npt.NDArray[np.intp]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Pair:
    """A case measured with and without a real change.

    Attributes:
        change: name of the change.
        case: of the mini profile.
        baseline: tally of each metric without the change.
        candidate: and with it, of the same samples.
    """

    change: str
    case: Case
    baseline: dict[str, Tally]
    candidate: dict[str, Tally]

    @property
    def num_samples(self) -> int:
        """Samples of the case."""
        return next(iter(self.baseline.values())).num_samples


def cases_with_pairs() -> dict[str, list[Pair]]:
    """Pairs of each case of the mini profile, of the changes that moved something."""
    pairs: dict[str, list[Pair]] = {case.id: [] for case in profile.cases}
    for change in CHANGES:
        if change.kind != "harmless" and path_of(change).exists():
            pair = _pair(change.name, read_evidence(change), stored_baseline(change))
            pairs[pair.case.id].append(pair)
    return pairs


def drawn(tally: Tally, chosen: Indices) -> Tally:
    """The tally of these samples, each as often as it is named."""
    if isinstance(tally, Sums):
        return replace(tally, columns=tally.columns[chosen], infinite=tally.infinite[chosen])
    if isinstance(tally, RankTally):
        return RankTally(tally.scores[chosen], tally.positive[chosen])
    assert isinstance(tally, Proportion)
    return Proportion(tally.successes[chosen])


def swapped(one: Tally, other: Tally, flags: Flags) -> tuple[Tally, Tally]:
    """Both tallies with the flagged samples exchanged: neither is worse than the other."""
    return _mixed(one, other, flags), _mixed(other, one, flags)


def thinned(baseline: Tally, candidate: Tally, flags: Flags) -> Tally:
    """The candidate where flagged, else the baseline."""
    return _mixed(baseline, candidate, flags)


def interpolated(baseline: Tally, candidate: Tally, share: float) -> Tally:
    """The baseline plus a share, which may exceed 1, of each sample's change."""
    if isinstance(baseline, Sums) and isinstance(candidate, Sums):
        change = candidate.columns - baseline.columns
        return replace(baseline, columns=baseline.columns + share * change)
    assert isinstance(baseline, RankTally)
    assert isinstance(candidate, RankTally)
    change = candidate.scores - baseline.scores
    return RankTally(baseline.scores + share * change, baseline.positive)


def _mixed(one: Tally, other: Tally, flags: Flags) -> Tally:
    if isinstance(one, Sums) and isinstance(other, Sums):
        return replace(
            one,
            columns=np.where(flags[:, None], other.columns, one.columns),
            infinite=np.where(flags, other.infinite, one.infinite),
        )
    if isinstance(one, RankTally) and isinstance(other, RankTally):
        return RankTally(np.where(flags, other.scores, one.scores), one.positive)
    assert isinstance(one, Proportion)
    assert isinstance(other, Proportion)
    return Proportion(np.where(flags, other.successes, one.successes))


def _pair(change: str, candidate: Evidence, baseline: Evidence) -> Pair:
    case = profile.case(f"{baseline.task}/{baseline.codec}")
    assert case is not None
    new = {row.sample_id: row for row in candidate.rows}
    rows = sorted(baseline.rows, key=lambda row: row.sample_id)
    return Pair(change, case, tallies(case, rows), tallies(case, [new[r.sample_id] for r in rows]))


def all_pairs(pairs: dict[str, list[Pair]]) -> Sequence[Pair]:
    """Of all cases."""
    return [pair for of_case in pairs.values() for pair in of_case]


def influence_of(pair: Pair, metric: str) -> Array:
    """Each sample's effect on the drop of a metric, of mean zero."""
    return np.asarray(pair.baseline[metric].influence() - pair.candidate[metric].influence())
