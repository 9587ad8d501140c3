"""Compare two tallies of the same samples: the drop, its interval, its one-sided p-values."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mpq_checks.errors import MetricError
from mpq_checks.metrics.tally import Proportion, Tally
from mpq_checks.significance.paired_tests import (
    EffectTest,
    FlipTest,
    PairedTest,
    cluster_sums,
    finite_value,
)
from mpq_checks.significance.sensitivity import Noise, PairNoise, ShareNoise

__all__ = ["Comparison", "compare", "paired_test", "planned_noise"]

_CERTAIN = "certain: one side is infinite"


@dataclass(frozen=True)
class Comparison:
    """One metric, baseline against candidate.

    Attributes:
        drop: how much worse the candidate is, in the metric's unit; below 0 is better.
        interval: two-sided 95% interval of the drop; infinite where nothing bounds it.
        p_worse: one-sided p-value of "the candidate is not worse".
        p_better: of "the candidate is not better".
        noise: what the power of the comparison follows from; None for a single cluster, or where
            the outcome is certain.
        few: whether too few samples changed to know the noise by them alone.
        method: test and interval.
    """

    drop: float
    interval: tuple[float, float]
    p_worse: float
    p_better: float
    noise: Noise | None
    few: bool
    method: str


def compare(
    baseline: Tally,
    candidate: Tally,
    clusters: Sequence[int],
    *,
    higher_is_better: bool,
    floor: float = 0.0,
) -> Comparison:
    """Compare on the same samples in the same order.

    Args:
        baseline: n samples.
        candidate: the same n samples.
        clusters: of each sample, its cluster: 0, 1, 2 and so on without gaps.
        higher_is_better: direction of better.
        floor: float noise of one cluster's value, in the metric's unit.

    Raises:
        MetricError: tallies of different length, or no samples.
    """
    if not baseline.num_samples == candidate.num_samples == len(clusters) > 0:
        raise MetricError(
            f"{baseline.num_samples} samples of the baseline, {candidate.num_samples} of the "
            f"candidate and {len(clusters)} clusters cannot be paired"
        )
    certain = _certain(baseline, candidate, 1.0 if higher_is_better else -1.0)
    if certain is not None:
        return certain
    test = paired_test(
        baseline, candidate, clusters, higher_is_better=higher_is_better, floor=floor
    )
    return Comparison(
        drop=test.drop,
        interval=test.interval(),
        p_worse=test.p_worse(),
        p_better=test.p_better(),
        noise=test.noise(),
        few=test.few,
        method=test.method,
    )


def paired_test(
    baseline: Tally,
    candidate: Tally,
    clusters: Sequence[int],
    *,
    higher_is_better: bool,
    floor: float = 0.0,
) -> PairedTest:
    """The test for these tallies, all of whose values are finite; arguments as of `compare`."""
    sign = 1.0 if higher_is_better else -1.0
    places = np.asarray(clusters)
    independent = int(places.max()) + 1 == places.size
    if isinstance(baseline, Proportion) and isinstance(candidate, Proportion) and independent:
        return FlipTest.of(baseline, candidate, sign)
    return EffectTest.of(baseline, candidate, sign, places, floor)


def planned_noise(baseline: Tally, clusters: Sequence[int], share: float) -> Noise | None:
    """The noise to expect of a comparison with this baseline, before there is a candidate.

    None where the samples of the baseline do not differ, as in the rate of uncompressed signals.

    Args:
        baseline: n samples.
        clusters: see `compare`.
        share: spread of the differences between two versions as a share of the spread between
            samples; of a proportion, the share of samples that flip either way.
    """
    places = np.asarray(clusters)
    num_clusters = int(places.max()) + 1
    if isinstance(baseline, Proportion) and num_clusters == places.size:
        return ShareNoise(share / 2, baseline.num_samples)
    if num_clusters < 2 or not math.isfinite(finite_value(baseline)):
        return None
    influence = cluster_sums(baseline.influence(), places) * (num_clusters / places.size)
    spread = share * float(np.std(influence, ddof=1))
    return PairNoise(spread, num_clusters) if spread > 0 else None


def _certain(baseline: Tally, candidate: Tally, sign: float) -> Comparison | None:
    """The outcome where a sample or an aggregate is infinite on one side only."""
    lost = (baseline.infinite & ~candidate.infinite).any()
    won = (candidate.infinite & ~baseline.infinite).any()
    before, after = finite_value(baseline), finite_value(candidate)
    if not lost and not won and math.isfinite(before) and math.isfinite(after):
        return None
    if lost or won:
        drop = math.inf if (lost if sign > 0 else won) else -math.inf
    else:
        drop = 0.0 if before == after else sign * (before - after)
    return Comparison(
        drop=drop,
        interval=(drop, drop),
        p_worse=0.0 if drop > 0 else 1.0,
        p_better=0.0 if drop < 0 else 1.0,
        noise=None,
        few=False,
        method=_CERTAIN,
    )
