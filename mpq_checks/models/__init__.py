"""Models: one module per family; `mpq_checks.models.base` says what each kind offers."""

from mpq_checks.models.huggingface import HuggingFaceImageClassifier, HuggingFaceSegmenter
from mpq_checks.models.whisper import HuggingFaceWhisper

__all__ = ["HuggingFaceImageClassifier", "HuggingFaceSegmenter", "HuggingFaceWhisper"]
