"""Networks that compute the same numbers everywhere.

An encoder and a decoder that disagree in the last bit of a mean or a scale lose step: floating
point sums depend on their order, and that on the processor, the threads and the size of the batch
(CompressAI#279). Here weights and activations lie on grids so coarse that every product and every
partial sum is a whole multiple of a grid step below 2^53 steps, which float64 holds without
rounding. Sums of such numbers are exact in any order. What rounds (a slope, the way back to the
grid) rounds one number by IEEE rules. The idea is that of Ballé, Johnston and Minnen, "Integer
Networks for Data Compression with Latent-Variable Models" (2019), on the weights of a network
trained in floating point.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mpq_checks.errors import CodecError

__all__ = ["GRID_STEPS", "ExactLayers", "exact_weight", "snap"]

_GRID_BITS = 12
GRID_STEPS = 1 << _GRID_BITS
"""Activations are whole multiples of 1 / 4096."""

_BOUND_BITS = 13
_BOUND = float(1 << _BOUND_BITS)
"""Activations are clipped to -8192..8192."""

_EXACT_BITS = 52
_MAX_WEIGHT_BITS = 24
_MIN_WEIGHT_BITS = 8

_Convolution: TypeAlias = nn.Conv2d | nn.ConvTranspose2d


def snap(values: Tensor) -> Tensor:
    """The nearest multiples of 1 / 4096 within -8192..8192, as float64."""
    return values.double().clamp(-_BOUND, _BOUND).mul(GRID_STEPS).round_().div_(GRID_STEPS)


def exact_weight(weight: Tensor, bias: Tensor | None, output_dim: int) -> tuple[Tensor, Tensor]:
    """Weights and biases on grids that keep every sum of products exact.

    Args:
        weight: any shape, outputs along `output_dim`.
        bias: one value an output; None: zeros.
        output_dim: the dimension of the outputs.

    Returns:
        Both as float64. The weights' grid is the finest that leaves room for the largest output.

    Raises:
        CodecError: a weight is not finite, or an output's weights sum to more than fits.
    """
    weight = weight.detach().double()
    outputs = weight.shape[output_dim]
    bias = torch.zeros(outputs, dtype=torch.float64) if bias is None else bias.detach().double()
    if not (weight.isfinite().all() and bias.isfinite().all()):
        raise CodecError("the entropy model has weights that are NaN or infinite")
    sums = weight.abs().transpose(0, output_dim).reshape(outputs, -1).sum(1)
    largest = float((sums + bias.abs() / _BOUND).max()) + 1.0  # 1: what rounding may add
    room = _EXACT_BITS - _GRID_BITS - _BOUND_BITS - math.ceil(math.log2(largest))
    bits = min(room, _MAX_WEIGHT_BITS)
    if bits < _MIN_WEIGHT_BITS:
        raise CodecError(f"the entropy model's weights sum to {largest:.3g}, too much to be exact")
    steps = float(1 << bits)
    return weight.mul(steps).round().div(steps), bias.mul(GRID_STEPS).round().div(GRID_STEPS)


@dataclass(frozen=True)
class _Layer:
    module: _Convolution
    weight: Tensor
    bias: Tensor
    padding: tuple[int, ...]
    slope: float
    """Of the negative half of the rectifier that follows; 1: none follows."""

    def __call__(self, values: Tensor) -> Tensor:
        module = self.module
        if isinstance(module, nn.ConvTranspose2d):
            result = F.conv_transpose2d(
                values,
                self.weight,
                self.bias,
                module.stride,
                self.padding,
                module.output_padding,
            )
        else:
            result = F.conv2d(values, self.weight, self.bias, module.stride, self.padding)
        return snap(rectify(result, self.slope))


def rectify(values: Tensor, slope: float) -> Tensor:
    """Leaky ReLU; a slope of 0 is ReLU, of 1 nothing."""
    return values if slope == 1.0 else F.leaky_relu(values, slope)


class ExactLayers:
    """A chain of convolutions, transposed convolutions and (leaky) ReLUs, computed exactly."""

    def __init__(self, layers: nn.Sequential) -> None:
        """Take over weights and settings. Raises CodecError for a layer of another kind."""
        self._layers = tuple(
            _layer(module, slope) for module, slope in convolutions_and_slopes(layers)
        )

    def __call__(self, values: Tensor) -> Tensor:
        """Float64 N x C x H x W, on the grid; the input is brought onto it first."""
        values = snap(values)
        for layer in self._layers:
            values = layer(values)
        return values


def convolutions_and_slopes(layers: nn.Sequential) -> Sequence[tuple[_Convolution, float]]:
    """Each convolution with the slope of the rectifier after it. Raises CodecError."""
    found: list[tuple[_Convolution, float]] = []
    for module in layers:
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            found.append((module, 1.0))
        elif isinstance(module, nn.ReLU | nn.LeakyReLU) and found and found[-1][1] == 1.0:
            slope = module.negative_slope if isinstance(module, nn.LeakyReLU) else 0.0
            found[-1] = (found[-1][0], slope)
        else:
            raise CodecError(f"the entropy model has a layer {module} that is not computed exactly")
    return found


def _layer(module: _Convolution, slope: float) -> _Layer:
    plain = module.groups == 1 and set(module.dilation) == {1} and module.padding_mode == "zeros"
    if not plain or isinstance(module.padding, str):
        raise CodecError(f"the entropy model has a layer {module} that is not computed exactly")
    output_dim = 1 if isinstance(module, nn.ConvTranspose2d) else 0
    weight, bias = exact_weight(module.weight, module.bias, output_dim)
    return _Layer(module, weight, bias, module.padding, slope)
