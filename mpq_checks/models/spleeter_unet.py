"""The U-Net of Spleeter, as its paper and configuration describe it."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mpq_checks.errors import ModelError

__all__ = ["UNet", "read_unet"]

_CHANNELS = 2
_WIDTHS = (16, 32, 64, 128, 256, 512)
_LEVELS = range(1, len(_WIDTHS) + 1)
_KERNEL, _STRIDE = 5, 2
_MASK_KERNEL, _MASK_DILATION, _MASK_PADDING = 4, 2, 3
# TensorFlow's "same" padding of an even length at kernel 5, stride 2: one before, two after.
_BEFORE, _AFTER = 1, 2
_NORM_EPSILON = 1e-3
_LEAK = 0.2


class UNet:
    """Magnitudes of a mixture to magnitudes of one stem.

    Six strided convolutions down, six transposed ones up, each output of the way down (before its
    activation) carried across to the way up, and a sigmoid mask that multiplies the input. Every
    level has a batch normalisation, after the activation on the way up. Functions rather than
    torch's modules, so that importing this file does not import torch.

    Args:
        weights: tensors under the names of the checkpoint: `down1_conv.1.weight`, ...
    """

    def __init__(self, weights: Mapping[str, Any]) -> None:
        """Keep the weights."""
        self._weights = weights

    def __call__(self, magnitude: Any) -> Any:
        """1 x 2 x frames x bins in and out; frames and bins are multiples of 64."""
        import torch

        across = []
        x = magnitude
        for level in _LEVELS:
            raw = self._down(level, x)
            across.append(raw)
            x = torch.nn.functional.leaky_relu(self._norm(f"down{level}_act.0", raw), _LEAK)
        x = self._up(1, across.pop())
        for level in _LEVELS[1:]:
            x = self._up(level, torch.cat([across.pop(), x], dim=1))
        weights = self._weights
        mask = torch.nn.functional.conv2d(
            x,
            weights["up7.0.weight"],
            weights["up7.0.bias"],
            padding=_MASK_PADDING,
            dilation=_MASK_DILATION,
        )
        return torch.sigmoid(mask) * magnitude

    def _down(self, level: int, x: Any) -> Any:
        import torch.nn.functional as F

        name = f"down{level}_conv.1"
        padded = F.pad(x, (_BEFORE, _AFTER, _BEFORE, _AFTER))
        weight, bias = self._weights[f"{name}.weight"], self._weights[f"{name}.bias"]
        return F.conv2d(padded, weight, bias, stride=_STRIDE)

    def _up(self, level: int, x: Any) -> Any:
        import torch.nn.functional as F

        name = f"up{level}"
        weight, bias = self._weights[f"{name}.0.weight"], self._weights[f"{name}.0.bias"]
        wide = F.conv_transpose2d(x, weight, bias, stride=_STRIDE)
        return self._norm(f"{name}.3", F.relu(wide[:, :, _BEFORE:-_AFTER, _BEFORE:-_AFTER]))

    def _norm(self, name: str, x: Any) -> Any:
        import torch.nn.functional as F

        parts = ("running_mean", "running_var", "weight", "bias")
        mean, variance, weight, bias = (self._weights[f"{name}.{part}"] for part in parts)
        return F.batch_norm(x, mean, variance, weight, bias, eps=_NORM_EPSILON)


def read_unet(path: Path, device: str) -> UNet:
    """One stem's network from a checkpoint of the asset.

    The file holds a dictionary of numpy arrays; nothing else is unpickled.

    Raises:
        ModelError: a file that does not hold this network.
    """
    import torch

    arrays = _read_arrays(path)
    expected = dict(_shapes())
    found = {name: getattr(array, "shape", None) for name, array in arrays.items()}
    if found != expected:
        odd = sorted(k for k in {*found, *expected} if found.get(k) != expected.get(k))
        raise ModelError(
            f"{path} is not Spleeter's U-Net: {odd[0]} is missing, misshapen or unknown"
        )
    return UNet({name: torch.from_numpy(array).to(device) for name, array in arrays.items()})


def _shapes() -> Iterator[tuple[str, tuple[int, ...]]]:
    """Name and shape of each tensor of the network."""
    kernel = (_KERNEL, _KERNEL)
    for level, inner, outer in zip(_LEVELS, (_CHANNELS, *_WIDTHS), _WIDTHS, strict=False):
        yield from _pair(f"down{level}_conv.1", (outer, inner, *kernel), outer)
        yield from _norm_shapes(f"down{level}_act.0", outer)
    # From the second level up, the input is the level below beside the one across.
    inputs = (_WIDTHS[-1], *(2 * width for width in reversed(_WIDTHS[:-1])))
    outputs = (*reversed(_WIDTHS[:-1]), 1)
    for level, inner, outer in zip(_LEVELS, inputs, outputs, strict=True):
        yield from _pair(f"up{level}.0", (inner, outer, *kernel), outer)
        yield from _norm_shapes(f"up{level}.3", outer)
    yield from _pair("up7.0", (_CHANNELS, 1, _MASK_KERNEL, _MASK_KERNEL), _CHANNELS)


def _pair(name: str, weight: tuple[int, ...], outer: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield f"{name}.weight", weight
    yield f"{name}.bias", (outer,)


def _norm_shapes(name: str, width: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    for part in ("weight", "bias", "running_mean", "running_var"):
        yield f"{name}.{part}", (width,)


def _read_arrays(path: Path) -> dict[str, Any]:
    from _codecs import encode

    import torch

    rebuild = np.zeros(0).__reduce__()[0]  # numpy moved it between versions 1 and 2
    admitted: list[Any] = [
        (rebuild, "numpy.core.multiarray._reconstruct"),
        (rebuild, "numpy._core.multiarray._reconstruct"),
        np.ndarray,
        np.dtype,
        type(np.dtype(np.float32)),
        encode,
    ]
    try:
        with torch.serialization.safe_globals(admitted):
            return dict(torch.load(path, map_location="cpu", weights_only=True))
    except Exception as exc:  # unpickling fails in many ways
        raise ModelError(
            f"{path} is not a checkpoint of numpy arrays alone ({type(exc).__name__}); "
            "fetch the asset spleeter-2stems anew"
        ) from exc
