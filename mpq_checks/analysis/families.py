"""Which codecs are learned, and which of these are generative."""

from mpq_checks.analysis.points import Point

__all__ = ["GENERATIVE", "LEARNED", "is_conventional", "is_generative"]

GENERATIVE = frozenset({"hific", "msillm", "encodec"})
"""Trained against a discriminator: the decoder makes up detail that the bits do not hold."""

LEARNED = GENERATIVE | {"mbt2018"}
"""All codecs shipped here that are neural networks."""


def is_generative(point: Point) -> bool:
    """By the family of its codec; one that is not known here is not."""
    return point.family in GENERATIVE


def is_conventional(point: Point) -> bool:
    """Whether it is compressed by a codec that is no neural network, as far as known here."""
    return not point.uncompressed and point.family not in LEARNED
