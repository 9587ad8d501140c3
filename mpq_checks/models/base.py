"""What the models of each kind of task offer, once loaded."""

from collections.abc import Mapping, Sequence
from typing import Protocol, TypeVar, runtime_checkable

import numpy as np
import numpy.typing as npt

from mpq_checks.signals import Audio, Image

__all__ = [
    "BatchSegmenter",
    "BatchSpeechRecogniser",
    "ImageClassifier",
    "ImageSegmenter",
    "Model",
    "NamesClasses",
    "SourceSeparator",
    "SpeechRecogniser",
]

PredictorT_co = TypeVar("PredictorT_co", covariant=True)


class Model(Protocol[PredictorT_co]):
    """A model as data: a frozen dataclass that says which weights, and loads them when asked."""

    def identity(self) -> dict[str, str]:
        """Architecture, weights' SHA-256, preprocessing, library and version."""

    def assets(self) -> tuple[str, ...]:
        """Names of the assets it needs."""

    def load(self, device: str) -> PredictorT_co:
        """Bring the weights into memory. Raises AssetError or ModelError."""


@runtime_checkable
class NamesClasses(Protocol):
    """A model that can say what its classes are called, for reports."""

    def class_names(self) -> tuple[str, ...]:
        """The name of each class, in the order of the logits; empty where they have none."""


class ImageClassifier(Protocol):
    """Image in, class logits out."""

    def logits(self, images: Sequence[Image]) -> npt.NDArray[np.float32]:
        """Logits, images x classes."""


class ImageSegmenter(Protocol):
    """Image in, class index per pixel out."""

    def segment(self, image: Image) -> npt.NDArray[np.uint8]:
        """Class index per pixel, height x width of the image."""


class SpeechRecogniser(Protocol):
    """Speech in, text out."""

    def transcribe(self, audio: Audio) -> str:
        """Greedy transcript, as the model writes it."""

    def reference_nll(self, audio: Audio, transcript: str) -> tuple[float, int]:
        """Teacher-forced negative log-likelihood of the transcript: sum in nats, tokens."""


class SourceSeparator(Protocol):
    """Mixture in, sources out."""

    def separate(self, mixture: Audio) -> Mapping[str, Audio]:
        """One signal a source, each with the form of the mixture."""


@runtime_checkable
class BatchSegmenter(Protocol):
    """A segmenter that takes several images at once."""

    batch_size: int
    """How many it is made for; another number is cut or filled up."""

    def segment_batch(self, images: Sequence[Image]) -> Sequence[npt.NDArray[np.uint8]]:
        """What `segment` gives of each image, whatever the other images are."""


@runtime_checkable
class BatchSpeechRecogniser(Protocol):
    """A recogniser that takes several clips at once."""

    batch_size: int
    """How many it is made for; another number is cut or filled up."""

    def transcribe_batch(self, audios: Sequence[Audio]) -> Sequence[str]:
        """What `transcribe` gives of each clip, whatever the other clips are."""

    def reference_nll_batch(
        self, audios: Sequence[Audio], transcripts: Sequence[str]
    ) -> Sequence[tuple[float, int]]:
        """What `reference_nll` gives of each clip, whatever the other clips are."""
