"""What a metric is."""

from dataclasses import dataclass
from typing import Any, Protocol

__all__ = ["Metric", "PerceptualDistance", "PerceptualMetric"]


@dataclass(frozen=True)
class Metric:
    """Name, unit and direction of better of one aggregate."""

    name: str
    unit: str
    higher_is_better: bool
    decimals: int = 3

    def drop(self, baseline: float, candidate: float) -> float:
        """How much worse the candidate is, in the metric's unit; below 0 is better.

        Equal values, both infinite included, give 0.
        """
        if baseline == candidate:
            return 0.0
        return baseline - candidate if self.higher_is_better else candidate - baseline


class PerceptualDistance(Protocol):
    """A deep similarity metric with its network in memory."""

    # Any: images for LPIPS, audio for CDPAM.
    def distance(self, reference: Any, decoded: Any) -> float:
        """Distance, 0 for equal signals; remembers what it computed for the reference."""


class PerceptualMetric(Protocol):
    """A deep similarity metric as data."""

    def __hash__(self) -> int:
        """Equal metrics share one network in memory."""

    @property
    def metric(self) -> Metric:
        """`lpips` or `cdpam`."""

    def identity(self) -> dict[str, str]:
        """Network, weights' SHA-256, library and version."""

    def assets(self) -> tuple[str, ...]:
        """Names of the assets it needs."""

    def load(self, device: str) -> PerceptualDistance:
        """Bring the network into memory."""
