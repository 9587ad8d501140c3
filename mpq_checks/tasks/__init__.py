"""Tasks: one module per kind, all with the form of `mpq_checks.tasks.base.Task`."""

from mpq_checks.tasks.base import Evaluator, Statistics, Task
from mpq_checks.tasks.image_classification import ImageClassification
from mpq_checks.tasks.segmentation import Segmentation
from mpq_checks.tasks.source_separation import SourceSeparation
from mpq_checks.tasks.speech_recognition import SpeechRecognition

__all__ = [
    "Evaluator",
    "ImageClassification",
    "Segmentation",
    "SourceSeparation",
    "SpeechRecognition",
    "Statistics",
    "Task",
]
