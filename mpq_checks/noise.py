"""Float noise: how far the same measurement differs on another CPU or with other threads.

Measured by `benchmarks/noise_floor.py`; docs/explanation/noise.md has the table. A difference
up to the floor is no difference; one beyond it is drift.
"""

import math
from collections.abc import Mapping
from typing import Any

__all__ = ["FLOORS", "differs", "floor"]

FLOORS: Mapping[str, float] = {
    # Counted from bytes; floats are stored with nine digits.
    "rate": 1e-8,
    "bits_per_pixel": 1e-8,
    "bits_per_sample": 1e-8,
    "psnr_db": 1e-6,
    "lpips": 7e-6,
    "cdpam": 2e-6,
    "nll": 2e-4,
    "score": 3e-4,
    "nll_sum": 5e-4,
    "token_nll": 5e-5,
    # Pixels: one moved, in one image of a hundred.
    "intersection": 1,
    "union": 1,
    # Of ranks and counts, which did not move.
    "auc": 1e-6,
    "mean_iou": 1e-6,
    "wra": 1e-6,
    # Stored to 0.0001 dB.
    "frames_db": 1e-3,
    "global_db": 1e-3,
    "magnitude_db": 1e-3,
    "mixture_db": 1e-3,
    "sdr_db": 1e-3,
    "global_sdr_db": 1e-3,
    "magnitude_sdr_db": 1e-3,
    "mixture_sdr_db": 1e-3,
    "vocals_sdr_db": 1e-3,
    "accompaniment_sdr_db": 1e-3,
}
"""Ten times the largest difference that was measured, by metric and by field of a row."""

_UNKNOWN = 1e-4
"""For the statistics of tasks that were not measured."""

_ROUNDING = 1e-8
"""Relative: evidence is stored with nine digits."""


def floor(name: str) -> float:
    """Largest difference of one sample's value that is float noise, in the value's unit.

    Args:
        name: of a metric, or of a field of evidence rows and their statistics.
    """
    return FLOORS.get(name, _UNKNOWN)


def differs(new: Any, old: Any, name: str = "") -> bool:
    """Whether nested data differs by more than float noise.

    A number may differ by the floor of its field, or of the nearest field around it that has one.
    Whole numbers without a floor, strings and hashes may not differ at all.
    """
    if isinstance(new, Mapping) and isinstance(old, Mapping):
        return new.keys() != old.keys() or any(
            differs(new[key], old[key], key if key in FLOORS else name) for key in new
        )
    if isinstance(new, (list, tuple)) and isinstance(old, (list, tuple)):
        return len(new) != len(old) or any(
            differs(one, other, name) for one, other in zip(new, old, strict=True)
        )
    if isinstance(new, float) and isinstance(old, (float, int)):
        return not math.isclose(new, old, rel_tol=_ROUNDING, abs_tol=floor(name))
    if type(new) is type(old) is int:
        return abs(new - old) > FLOORS.get(name, 0)
    return bool(new != old)
