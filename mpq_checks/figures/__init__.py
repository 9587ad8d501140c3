"""Figures of what codecs do to samples, drawn from real outputs."""

from mpq_checks.figures.decoded import Decoded, Example, examples
from mpq_checks.figures.drawing import draw_examples

__all__ = ["Decoded", "Example", "draw_examples", "examples"]
