"""Samples to look at and listen to: the original beside what each codec made of it."""

from mpq_checks.exhibits.choice import chosen_samples
from mpq_checks.exhibits.making import Exhibit, Shown, make_exhibits
from mpq_checks.exhibits.words import Word

__all__ = ["Exhibit", "Shown", "Word", "chosen_samples", "make_exhibits"]
