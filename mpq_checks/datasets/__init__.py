"""Datasets: one module each, all with the form of `mpq_checks.datasets.base.Dataset`."""

from mpq_checks.datasets.base import Dataset, Sample
from mpq_checks.datasets.folder import ImageFolder, SpeechFolder

__all__ = ["Dataset", "ImageFolder", "Sample", "SpeechFolder"]
