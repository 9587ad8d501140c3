"""Float noise: how far the same measurement differs on another CPU or with other threads.

Measured by `benchmarks/noise_floor.py`; docs/noise.md has the table. A difference up to the floor
is no difference; one beyond it is drift.
"""

import math
from collections.abc import Mapping
from typing import Any

__all__ = ["FLOORS", "differs", "floor"]

FLOORS: Mapping[str, float] = {}

_UNKNOWN = 1e-4


def floor(name: str) -> float:
    """Largest difference of one sample's value that is float noise, in the value's unit.

    Args:
        name: of a metric, or of a field of evidence rows and their statistics.
    """
    return FLOORS.get(name, _UNKNOWN)


def differs(new: Any, old: Any, name: str = "") -> bool:
    """Whether nested data differs by more than float noise.

    Whole numbers, strings and hashes have none. A float may differ by the floor of its field, or
    of the nearest named field around it, or by that share of its value.
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
        tolerance = floor(name)
        return not math.isclose(new, old, rel_tol=tolerance, abs_tol=tolerance)
    return bool(new != old)
