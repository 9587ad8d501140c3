"""Changes of models and metrics: settings, weights in memory, and what they are fed."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from mpq_checks.assets import asset_path
from mpq_checks.metrics.wer import WhisperEnglish
from mpq_checks.models.mobilenet import IMAGENET_MEAN, IMAGENET_STD, MobileNetV2
from mpq_checks.signals import Audio, Image


@dataclass(frozen=True)
class OffCentreCrop(MobileNetV2):
    """MobileNetV2 whose crop lies `offset` pixels left of and above the centre."""

    offset: int = 12

    def preprocess(self, image: Image) -> npt.NDArray[np.uint8]:
        """Resized as ever, cropped elsewhere."""
        resized = MobileNetV2(self.resize, self.resize, self.resize_filter).preprocess(image)
        first = (self.resize - self.crop) // 2 - self.offset
        return resized[first : first + self.crop, first : first + self.crop]


@dataclass(frozen=True)
class PartialEnglish(WhisperEnglish):
    """Whisper's English normaliser with one rule dropped.

    Args:
        dropped: `standardize_numbers`, `standardize_spellings` or `replacers`.
    """

    dropped: str = "standardize_numbers"

    def __call__(self, text: str) -> str:
        """The text in almost normal form."""
        normal: str = _partial_normaliser(self.dropped)(re.sub(r"[()\[\]]", " ", text))
        return normal.strip()


@cache
def _partial_normaliser(dropped: str) -> Any:
    from transformers.models.whisper.english_normalizer import EnglishTextNormalizer

    spelling = asset_path("whisper-english-spelling").read_text(encoding="utf-8")
    normaliser: Any = EnglishTextNormalizer(json.loads(spelling))  # type: ignore[no-untyped-call]
    setattr(normaliser, dropped, {} if dropped == "replacers" else lambda text: text)
    return normaliser


def quantised(bits: int) -> Callable[[Any], Any]:
    """Weights of each tensor rounded to 2^bits levels between its least and greatest."""

    def round_to_levels(weight: Any) -> Any:
        low, high = weight.min(), weight.max()
        step = (high - low) / (2**bits - 1)
        return ((weight - low) / step).round() * step + low

    return weights(round_to_levels)


def half_precision(loaded: Any) -> Any:
    """Weights rounded to float16 and kept as float32."""
    return weights(lambda weight: weight.half().float())(loaded)


def bfloat16(loaded: Any) -> Any:
    """Weights rounded to bfloat16 and kept as float32."""
    return weights(lambda weight: weight.bfloat16().float())(loaded)


def weights(change: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Change every tensor of two or more dimensions."""

    def apply(loaded: Any) -> Any:
        import torch

        with torch.no_grad():
            for tensor in _tensors(loaded):
                if tensor.ndim > 1:
                    tensor.copy_(change(tensor))
        return loaded

    return apply


def normalised_with(mean: float, std: float) -> Callable[[Any], Any]:
    """MobileNetV2's input normalised with another mean and deviation."""

    def renormalise(planes: Any) -> Any:
        old_mean, old_std = (planes.new_tensor(x)[:, None, None] for x in _IMAGENET)
        return (planes * old_std + old_mean - mean) / std

    return fed(renormalise)


def fed(change: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Change the first argument of MobileNetV2's network."""

    def apply(loaded: Any) -> Any:
        loaded.network.register_forward_pre_hook(lambda _, inputs: (change(inputs[0]),))
        return loaded

    return apply


def channels_reversed(planes: Any) -> Any:
    """BGR for RGB in a batch."""
    return planes.flip(1)


def channels_last(loaded: Any) -> Any:
    """Weights and input of MobileNetV2 in torch's channels-last layout."""
    import torch

    loaded.network.to(memory_format=torch.channels_last)
    return fed(lambda planes: planes.contiguous(memory_format=torch.channels_last))(loaded)


def processor_with(**settings: Any) -> Callable[[Any], Any]:
    """Settings of the image processor of a transformers model."""

    def apply(loaded: Any) -> Any:
        processor = loaded.network.pixels.processor
        for name, value in settings.items():
            if not hasattr(processor, name):
                raise AttributeError(f"{type(processor).__name__} has no {name}")
            setattr(processor, name, value)
        return loaded

    return apply


def eager_attention(loaded: Any) -> Any:
    """Attention by plain matrix products in place of torch's fused kernel."""
    loaded.network.model.set_attn_implementation("eager")
    return loaded


def upsampled(**options: Any) -> Callable[[Any], Any]:
    """A segmenter's logits brought to the size of its input in another way."""

    def resize(_module: Any, _inputs: Any, named: Mapping[str, Any], output: Any) -> Any:
        import torch.nn.functional as F

        size = named["pixel_values"].shape[-2:]
        output.logits = F.interpolate(output.logits, size=size, **options)
        return output

    def apply(loaded: Any) -> Any:
        loaded.network.model.register_forward_hook(resize, with_kwargs=True)
        return loaded

    return apply


def rows_swapped(first: int, second: int) -> Callable[[Any], Any]:
    """Two rows of the classifier's last layer change places."""

    def order(number: int) -> list[int]:
        rows = list(range(number))
        rows[first], rows[second] = second, first
        return rows

    return _reordered(order)


def rows_rolled(loaded: Any) -> Any:
    """Each class takes the place of the next, as with a background class that is not there."""
    return _reordered(lambda number: [number - 1, *range(number - 1)])(loaded)


def _reordered(order: Callable[[int], list[int]]) -> Callable[[Any], Any]:
    def apply(loaded: Any) -> Any:
        import torch

        network = _torch_network(loaded)
        head = network.classifier
        head = head[1] if isinstance(head, torch.nn.Sequential) else head
        with torch.no_grad():
            rows = order(head.out_features)
            head.weight.copy_(head.weight[rows].clone())
            head.bias.copy_(head.bias[rows].clone())
        return loaded

    return apply


def sees(change: Callable[[Image], Image]) -> Callable[[Any], Any]:
    """A classifier or segmenter that is given a changed image."""
    return lambda loaded: _Seer(loaded, change)


def hears(change: Callable[[Audio], Audio]) -> Callable[[Any], Any]:
    """A recogniser that is given changed audio."""
    return lambda loaded: _Hearer(loaded, change)


def separates(change: Callable[[Audio], Audio]) -> Callable[[Any], Any]:
    """A separator that is given a changed mixture."""
    return lambda loaded: _Separator(loaded, change, {})


def stems_renamed(**names: str) -> Callable[[Any], Any]:
    """A separator whose stems come under other names."""
    return lambda loaded: _Separator(loaded, lambda mixture: mixture, names)


def uninitialised(part: str) -> Callable[[Any], Any]:
    """The network of a metric (or a named part of it) as it is made, with weights at random."""

    def apply(loaded: Any) -> Any:
        import torch

        network = loaded._network
        with torch.random.fork_rng(), torch.no_grad():
            torch.manual_seed(0)
            for module in (getattr(network, part) if part else network).modules():
                if hasattr(module, "reset_parameters"):
                    module.reset_parameters()
        return loaded

    return apply


@dataclass(frozen=True, eq=False)
class _Seer:
    loaded: Any
    change: Callable[[Image], Image]

    def logits(self, images: Any) -> Any:
        return self.loaded.logits([self.change(image) for image in images])

    def segment(self, image: Image) -> Any:
        return self.loaded.segment(self.change(image))


class _Hearer:
    """Remembers the last changed audio, as the recogniser remembers what it heard."""

    def __init__(self, loaded: Any, change: Callable[[Audio], Audio]) -> None:
        self._loaded = loaded
        self._change = change
        self._last: tuple[Audio, Audio] | None = None

    def transcribe(self, audio: Audio) -> Any:
        return self._loaded.transcribe(self._changed(audio))

    def reference_nll(self, audio: Audio, transcript: str) -> Any:
        return self._loaded.reference_nll(self._changed(audio), transcript)

    def _changed(self, audio: Audio) -> Audio:
        if self._last is None or self._last[0] is not audio:
            self._last = (audio, self._change(audio))
        return self._last[1]


@dataclass(frozen=True, eq=False)
class _Separator:
    loaded: Any
    change: Callable[[Audio], Audio]
    names: Mapping[str, str]

    def separate(self, mixture: Audio) -> dict[str, Audio]:
        stems = self.loaded.separate(self.change(mixture))
        return {self.names.get(name, name): stem for name, stem in stems.items()}


def _tensors(loaded: Any) -> Iterator[Any]:
    """Weight tensors of any of the mini profile's models."""
    if hasattr(loaded, "_networks"):
        for network in loaded._networks.values():
            yield from network._weights.values()
        return
    yield from _torch_network(loaded).parameters()


def _torch_network(loaded: Any) -> Any:
    """The torch module of a model that has one: MobileNetV2, of transformers, or Whisper."""
    network = getattr(loaded, "network", None) or getattr(loaded, "_model", None)
    if network is None:
        raise TypeError(f"{type(loaded).__name__} has no weights that are known here")
    return network if hasattr(network, "parameters") else network.model


_IMAGENET = (IMAGENET_MEAN, IMAGENET_STD)
