"""Two shares of the same samples: exact McNemar test, exact interval, exact power.

A sample that succeeded with the baseline and fails with the candidate is a loss, the reverse a
gain; the drop is (losses - gains) / n. Ties say nothing about it.
"""

import math
from functools import lru_cache
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["detection_rate", "exact_interval", "mcnemar_p", "smallest_detectable"]

Array: TypeAlias = npt.NDArray[np.float64]

_DISCORDANCE_STEPS = 40
_TAIL = 1e-9
_TOLERANCE = 1e-5


def mcnemar_p(losses: int, gains: int) -> float:
    """One-sided p-value of the exact McNemar test: losses outnumber gains by chance alone."""
    from scipy.stats import binomtest

    if losses + gains == 0:
        return 1.0
    return float(binomtest(losses, losses + gains, 0.5, alternative="greater").pvalue)


def exact_interval(losses: int, gains: int, num_samples: int, level: float) -> tuple[float, float]:
    """Interval for the drop whose bounds are each missed with probability (1 - level) / 2 at most.

    Buehler's exact bound (Buehler 1957; Lloyd & Kabaila 2003): tables are ordered by the adjusted
    Wald bound of Bonett and Price (2012), and the bound is the largest drop under which a table so
    favourable still has probability (1 - level) / 2, whatever the discordance.

    Args:
        losses: samples that only the baseline got right.
        gains: samples that only the candidate got right.
        num_samples: all samples, n of at least 1.
        level: such as 0.95.
    """
    tail = (1 - level) / 2
    low = -_upper_bound(gains, losses, num_samples, tail)
    return low, _upper_bound(losses, gains, num_samples, tail)


def detection_rate(drop: float, background: float, num_samples: int, significance: float) -> float:
    """Probability that the exact McNemar test finds a drop, over all tables.

    Args:
        drop: true drop, share of samples.
        background: share of samples that are gains, and as many more losses.
        num_samples: n.
        significance: of the one-sided test.
    """
    from scipy.stats import binom

    discordance = min(1.0, drop + 2 * background)
    if discordance <= 0:
        return 0.0
    number, _ = _likely_numbers(num_samples, np.array([discordance]))
    critical = _critical_losses(int(number[-1]), significance)[number]
    share_of_losses = min(1.0, (discordance + drop) / 2 / discordance)
    found = binom.sf(critical - 1, number, share_of_losses)
    return float(np.sum(binom.pmf(number, num_samples, discordance) * found))


@lru_cache(maxsize=4096)
def smallest_detectable(
    background: float, num_samples: int, significance: float, power: float
) -> float:
    """The drop that the test finds with the stated power; infinite if there is none up to 1."""
    from scipy.optimize import brentq

    most = 1.0 - 2 * background

    def shortfall(drop: float) -> float:
        return detection_rate(drop, background, num_samples, significance) - power

    if most <= 0 or shortfall(most) < 0:
        return math.inf
    return float(brentq(shortfall, 0.0, most, xtol=_TOLERANCE))


@lru_cache(maxsize=65536)
def _upper_bound(losses: int, gains: int, num_samples: int, tail: float) -> float:
    """Exact upper bound of the drop, to 1e-5."""
    from scipy.optimize import brentq

    def excess(drop: float) -> float:
        return _chance_so_favourable(losses, gains, num_samples, tail, drop) - tail

    low = (losses - gains) / num_samples
    high = 1.0 - _TOLERANCE
    if excess(high) > 0:
        return 1.0
    if excess(low) <= 0:
        return low
    return float(brentq(excess, low, high, xtol=_TOLERANCE))


def _chance_so_favourable(
    losses: int, gains: int, num_samples: int, tail: float, drop: float
) -> float:
    """Largest probability, over discordances, of a table at least as favourable as this one."""
    from scipy.special import bdtr
    from scipy.stats import binom

    observed = float(_adjusted_wald(np.array([losses]), np.array([gains]), num_samples, tail)[0])
    least = max(abs(drop), 1e-12)
    discordance = np.geomspace(least, 1.0, _DISCORDANCE_STEPS) if least < 1 else np.ones(1)
    number, step = _likely_numbers(num_samples, discordance)
    allowed = _most_losses(int(number.max()), num_samples, tail, observed)[number]
    share_of_losses = np.clip((discordance + drop) / 2 / discordance, 0.0, 1.0)
    chance = binom.pmf(number, num_samples, discordance[step])
    chance *= bdtr(np.maximum(allowed, 0), number, share_of_losses[step]) * (allowed >= 0)
    return float(np.bincount(step, weights=chance).max())


def _likely_numbers(
    num_samples: int, discordance: Array
) -> tuple[npt.NDArray[np.int_], npt.NDArray[np.int_]]:
    """Numbers of discordant samples that are likely at each step, and their steps, in a row."""
    from scipy.stats import binom

    low, high = binom.ppf([[_TAIL], [1 - _TAIL]], num_samples, discordance)
    ranges = [np.arange(max(0, a), b + 1) for a, b in zip(low, high, strict=True)]
    step = np.repeat(np.arange(discordance.size), [part.size for part in ranges])
    return np.concatenate(ranges).astype(np.int_), step


def _most_losses(most: int, num_samples: int, tail: float, observed: float) -> Array:
    """For each number of discordant samples 0..most the most losses as favourable; -1 for none."""
    number = np.arange(most + 1)
    low, high = np.full(most + 1, -1), number.copy()
    while (low < high).any():
        middle = (low + high + 1) // 2
        bound = _adjusted_wald(middle, number - middle, num_samples, tail)
        fits = (bound <= observed + 1e-12) | (middle < 0)
        low, high = np.where(fits, middle, low), np.where(fits, high, middle - 1)
    return low.astype(np.float64)


def _adjusted_wald(
    losses: npt.NDArray[np.int_], gains: npt.NDArray[np.int_], num_samples: int, tail: float
) -> Array:
    from scipy.stats import norm

    size = num_samples + 2
    difference = (losses - gains) / size
    variance = np.maximum((losses + gains + 2) / size - difference**2, 0.0) / size
    return np.asarray(difference + norm.isf(tail) * np.sqrt(variance), dtype=np.float64)


@lru_cache(maxsize=256)
def _critical_losses(most: int, significance: float) -> Array:
    """For each number of discordant samples the fewest losses that the test calls a drop."""
    from scipy.stats import binom

    number = np.arange(most + 1)
    critical = binom.isf(significance, number, 0.5) + 1
    return np.asarray(np.where(number == 0, 1, critical), dtype=np.float64)
