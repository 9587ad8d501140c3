"""How the numbers of a case are counted, where that is not the rule."""

from dataclasses import dataclass

from mpq_checks.errors import ProfileError

__all__ = ["Counting"]

_BITS = 8


@dataclass(frozen=True)
class Counting:
    """From the rows of samples to rate, PSNR and perceptual distance of a case.

    Rows hold what was measured of each sample in any case; this says what the case makes of them.

    Args:
        bits_per_byte: bits that a byte counts in the rate: 8. With 1 the rate is in bytes.
        quality_samples: how many samples PSNR and distance are from, those with the first sample
            ids in the order of text; None: all.
        mean_of_logarithms: whether the distance is the geometric mean over samples, as follows
            from a mean of decibels; 0 if one is 0.

    Raises:
        ProfileError: numbers that count nothing.
    """

    bits_per_byte: int = _BITS
    quality_samples: int | None = None
    mean_of_logarithms: bool = False

    def __post_init__(self) -> None:
        """Refuse what counts nothing."""
        if not 1 <= self.bits_per_byte <= _BITS:
            raise ProfileError(f"bits_per_byte is {self.bits_per_byte}, not 1..{_BITS}")
        if self.quality_samples is not None and self.quality_samples < 1:
            raise ProfileError(f"quality_samples is {self.quality_samples}, not 1 or more")

    @property
    def rate_factor(self) -> float:
        """What measured rates are multiplied by."""
        return self.bits_per_byte / _BITS

    def identity(self) -> dict[str, str]:
        """What differs from the rule; empty where nothing does."""
        found = {}
        if self.bits_per_byte != _BITS:
            found["bits_per_byte"] = str(self.bits_per_byte)
        if self.quality_samples is not None:
            found["quality_samples"] = str(self.quality_samples)
        if self.mean_of_logarithms:
            found["distance"] = "geometric mean over samples"
        return found
