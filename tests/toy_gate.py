"""A gate that runs in a second: real JPEG, toy data, toy model. It proves plumbing only."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mpq_checks.codecs import Jpeg, NoCodec
from mpq_checks.datasets.base import Sample
from mpq_checks.metrics.base import Metric
from mpq_checks.metrics.classification import top1_tally
from mpq_checks.metrics.tally import Tally, mean_tally
from mpq_checks.profiles import Margin, Profile, cases
from mpq_checks.signals import Image

NUM_SAMPLES = 8
_COLOURS = ((200, 60, 40), (50, 180, 70), (40, 80, 210))


@dataclass(frozen=True)
class ToyDataset:
    """Noisy coloured squares; the label is the colour."""

    name: str = "toy-squares"
    modality: str = "image"
    num_samples: int = NUM_SAMPLES
    salt: int = 0

    def assets(self) -> tuple[str, ...]:
        return ()

    def sample_ids(self) -> tuple[str, ...]:
        return tuple(f"square-{index}" for index in range(self.num_samples))

    def load(self, sample_id: str) -> Sample[int]:
        index = int(sample_id.removeprefix("square-"))
        random = np.random.default_rng(index)
        label = index % len(_COLOURS)
        ramp = np.linspace(-30, 30, 40)[:, None, None]
        pixels = np.asarray(_COLOURS[label]) + ramp + random.normal(0, 12, (40, 40, 3))
        pixels = np.clip(pixels, 0, 255).astype(np.uint8)
        digest = hashlib.sha256(pixels.tobytes() + bytes([label, self.salt])).hexdigest()
        return Sample(sample_id, digest, Image(pixels), label)


@dataclass(frozen=True)
class ToyTask:
    """Nearest colour; `gain` is the toy model's only weight."""

    name: str = "toy"
    kind: str = "image_classification"
    modality: str = "image"
    dataset: Any = ToyDataset()
    gain: float = 0.02
    cost: float = 1.0

    @property
    def perceptual(self) -> "ToyDistance":
        return ToyDistance()

    @property
    def scores(self) -> tuple[Metric, ...]:
        return (Metric("top1", "fraction", True), Metric("nll", "nats", False))

    def identity(self) -> dict[str, str]:
        return {"model": "nearest colour", "gain": str(self.gain)}

    def assets(self) -> tuple[str, ...]:
        return ()

    def load(self, device: str) -> "ToyTask":
        return self

    def evaluate(
        self, signals: Sequence[Image], samples: Sequence[Sample[int]]
    ) -> list[dict[str, Any]]:
        return [self._score(*pair) for pair in zip(signals, samples, strict=True)]

    def _score(self, image: Image, sample: Sample[int]) -> dict[str, Any]:
        mean = image.pixels.reshape(-1, 3).mean(axis=0)
        logits = np.array([-self.gain * np.abs(mean - colour).sum() for colour in _COLOURS])
        nll = float(np.log(np.exp(logits).sum()) - logits[sample.reference])
        predicted = int(logits.argmax())
        return {"correct": int(predicted == sample.reference), "nll": nll, "predicted": predicted}

    def tallies(self, statistics: Sequence[Mapping[str, Any]]) -> dict[str, Tally]:
        return {
            "top1": top1_tally([row["correct"] for row in statistics]),
            "nll": mean_tally([row["nll"] for row in statistics], "nll"),
        }

    def worse(self, baseline: Mapping[str, Any], candidate: Mapping[str, Any]) -> float:
        return float(candidate["nll"] - baseline["nll"])

    def describe(self, statistics: Mapping[str, Any]) -> str:
        return f"class {statistics['predicted']}, nll {statistics['nll']:.3f}"


@dataclass(frozen=True)
class ToyDistance:
    """Mean absolute difference; stands in for LPIPS."""

    @property
    def metric(self) -> Metric:
        return Metric("lpips", "distance", False)

    def identity(self) -> dict[str, str]:
        return {"network": "none"}

    def assets(self) -> tuple[str, ...]:
        return ()

    def load(self, device: str) -> "ToyDistance":
        return self

    def distance(self, reference: Image, decoded: Image) -> float:
        difference = reference.pixels.astype(float) - decoded.pixels
        return float(np.abs(difference).mean() / 255)


@dataclass(frozen=True)
class SwappedJpeg(Jpeg):
    """Red and blue change places on decoding: a classic slip."""

    def decode(self, data: bytes) -> Image:
        return Image(np.ascontiguousarray(super().decode(data).pixels[:, :, ::-1]))


@dataclass(frozen=True)
class RenamedJpeg(Jpeg):
    """Another quality under the name of quality 50."""

    @property
    def name(self) -> str:
        return "jpeg-q50"


@dataclass(frozen=True)
class FailingJpeg(Jpeg):
    """Cannot decode the fourth image."""

    def decode(self, data: bytes) -> Image:
        if super().decode(data).pixels.tobytes() == self._broken():
            raise RuntimeError("the decoder broke")
        return super().decode(data)

    def _broken(self) -> bytes:
        fourth = ToyDataset().load("square-3").signal
        return bytes(Jpeg.decode(self, self.encode(fourth)).pixels.tobytes())


MARGINS = {
    "nll": Margin(0.002, "toy"),
    "lpips": Margin(0.001, "toy"),
    "top1": Margin(0.5, "eight samples cannot show less"),
}


def make_profile(codec: Any = None, task: Any = None, **margins: Margin) -> Profile:
    codecs = [NoCodec("image"), codec or Jpeg(quality=50)]
    return Profile("toy", cases([task or ToyTask()], codecs, {**MARGINS, **margins}))


profile = make_profile()
