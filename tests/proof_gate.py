"""Real models on a few real samples, and the same with a real fault in each case but one.

`profile` is healthy. `broken` has the same case names with one fault each.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mpq_checks.codecs import Jpeg, NoCodec, Opus, WebP
from mpq_checks.datasets.base import Sample
from mpq_checks.datasets.imagenet_mini import ImagenetMini
from mpq_checks.datasets.ljspeech_mini import LjspeechMini
from mpq_checks.models.mobilenet import MobileNetV2
from mpq_checks.models.whisper import OpenAIWhisper
from mpq_checks.profiles import DEFAULT_MARGINS, Case, Profile
from mpq_checks.signals import Audio, Image
from mpq_checks.tasks import ImageClassification, SpeechRecognition


@dataclass(frozen=True)
class Head:
    """The first samples of a dataset."""

    dataset: Any
    num_samples: int

    @property
    def name(self) -> str:
        return f"{self.dataset.name}-head"

    @property
    def modality(self) -> Any:
        return self.dataset.modality

    def assets(self) -> tuple[str, ...]:
        return tuple(self.dataset.assets())

    def sample_ids(self) -> tuple[str, ...]:
        return tuple(self.dataset.sample_ids()[: self.num_samples])

    def load(self, sample_id: str) -> Sample[Any]:
        loaded: Sample[Any] = self.dataset.load(sample_id)
        return loaded


@dataclass(frozen=True)
class QualityThree(Jpeg):
    """Encodes at quality 3 under the name of quality 5."""

    def encode(self, image: Image) -> bytes:
        return Jpeg(quality=3).encode(image)


@dataclass(frozen=True)
class BgrJpeg(Jpeg):
    """Red and blue change places on decoding."""

    def decode(self, data: bytes) -> Image:
        return Image(np.ascontiguousarray(super().decode(data).pixels[:, :, ::-1]))


@dataclass(frozen=True)
class ShiftedOpus(Opus):
    """Decoded audio comes 64 samples late."""

    def decode(self, data: bytes) -> Audio:
        audio = super().decode(data)
        return replace(audio, samples=np.roll(audio.samples, 64, axis=1))


@dataclass(frozen=True)
class NoisyMobileNet(MobileNetV2):
    """A tenth of each weight tensor's spread as noise on the classifier's weights."""

    def identity(self) -> dict[str, str]:
        return {**super().identity(), "weights_sha256": "noisy"}

    def load(self, device: str) -> Any:
        import torch

        loaded: Any = super().load(device)
        generator = torch.Generator().manual_seed(1)
        with torch.no_grad():
            for weight in loaded.network.parameters():
                if weight.ndim > 1:
                    noise = torch.randn(weight.shape, generator=generator)
                    weight.add_(0.1 * weight.std() * noise)
        return loaded


def _photos(name: str, model: MobileNetV2) -> ImageClassification:
    return ImageClassification(name, Head(ImagenetMini(), 12), model)


def _cases(
    quality: Jpeg, swap: Jpeg, shift: Opus, weights: MobileNetV2, resize: MobileNetV2
) -> Sequence[Case]:
    speech = SpeechRecognition("shift", Head(LjspeechMini(), 2), OpenAIWhisper())
    healthy = MobileNetV2()
    return [
        Case(task, codec, DEFAULT_MARGINS)
        for task, codec in (
            (_photos("quality", healthy), quality),
            (_photos("swap", healthy), swap),
            (_photos("untouched", healthy), WebP(quality=0)),
            (_photos("weights", weights), NoCodec("image")),
            (_photos("resize", resize), NoCodec("image")),
            (speech, shift),
        )
    ]


profile = Profile("proof", tuple(_cases(Jpeg(5), Jpeg(5), Opus(6), MobileNetV2(), MobileNetV2())))
reordered = Profile("proof", profile.cases[::-1])
broken = Profile(
    "proof",
    tuple(
        _cases(
            QualityThree(5),
            BgrJpeg(5),
            ShiftedOpus(6),
            NoisyMobileNet(),
            MobileNetV2(resize_filter="nearest"),
        )
    ),
)
