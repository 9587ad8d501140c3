"""A better start for a convolutional autoencoder of sound than noise.

At the start the encoder is a cascade of lapped orthogonal transforms, each followed by the
principal components of what it gives, and the decoder is its transpose: a linear transform codec,
which training then bends. A strided convolution whose kernel is twice its stride has just the form
of an MDCT (Princen, Johnson and Bradley, 1987). Channels come in pairs of opposite sign, so that
the leaky rectifiers in between cancel ("looks linear", Balduzzi et al., 2017).
"""

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["start_as_transform"]

_EMPHASIS = 0.6  # of high frequencies, where components are chosen
_NOISE = 0.02  # of a weight, so that the channels of a pair can part
_QUIET_BRANCH = 0.1  # gain of the residual branches


@torch.no_grad()
def start_as_transform(encoder: Any, decoder: Any, waves: Tensor, slope: float) -> None:
    """Set the weights of SEANet encoder and decoder without LSTM.

    waves: crops x 1 x samples, from which the principal components come.
    slope: of the leaky rectifiers.
    """
    features = F.pad(waves, (1, 0))
    features = features[..., 1:] - _EMPHASIS * features[..., :-1]
    undo = 1 / (1 + slope)  # lrelu(u) - lrelu(-u) = (1 + slope) u
    first, *inner, last = _convolutions(encoder)
    outer, *ups, final = _convolutions(decoder)

    taps = first.weight.shape[-1]
    kernels = torch.zeros(first.weight.shape[0] // 2, 1, taps)
    basis = _cosines(taps)[: len(kernels)]
    kernels[: len(basis), 0] = basis / taps**0.5
    _set(first, _signs(kernels, inputs=False))
    _set(final, undo * _signs(kernels.flip(-1).transpose(0, 1), outputs=False))
    features = F.conv1d(features, kernels, padding=taps // 2)

    for down, up in zip(inner, reversed(ups), strict=True):
        stride = down.stride[0]
        lapped = _lapped(stride)
        transformed = _transform(features, lapped, stride)
        components = _components(transformed, down.weight.shape[0] // 2)
        # components x (channel, band), bands x taps -> components x channels x taps
        kernels = components.reshape(len(components), -1, stride) @ lapped
        _set(down, undo * _signs(kernels))
        _set(up, undo * _signs(kernels))
        features = torch.einsum("mc,bct->bmt", components, transformed)

    components = _components(features, last.weight.shape[0])
    centre = torch.zeros(*components.shape, last.weight.shape[-1])
    centre[..., centre.shape[-1] // 2] = components
    _set(last, undo * _signs(centre, outputs=False))
    _set(outer, _signs(centre.transpose(0, 1), inputs=False))
    for network in (encoder, decoder):
        _quieten_branches(network)


def _convolutions(network: Any) -> list[nn.Module]:
    """Those of the trunk, first to last, without the residual branches."""
    return [
        module
        for layer in network.model
        if not hasattr(layer, "block")
        for module in layer.modules()
        if isinstance(module, nn.Conv1d | nn.ConvTranspose1d)
    ]


def _quieten_branches(network: Any) -> None:
    for layer in network.model:
        if hasattr(layer, "block"):
            last = [m for m in layer.block.modules() if isinstance(m, nn.Conv1d)][-1]
            last.weight_g.mul_(_QUIET_BRANCH)
            last.bias.zero_()


def _set(convolution: Any, weight: Tensor) -> None:
    """Give a weight-normalised convolution this weight, with a little noise, and no bias."""
    fan_in = weight[0].numel()
    weight = weight + torch.randn_like(weight) * (_NOISE / fan_in**0.5)
    convolution.weight_v.copy_(weight)
    convolution.weight_g.copy_(weight.flatten(1).norm(dim=1).reshape(-1, 1, 1))
    convolution.bias.zero_()


def _signs(kernels: Tensor, *, inputs: bool = True, outputs: bool = True) -> Tensor:
    """Double the first and second axis by channels of opposite sign."""
    if inputs:
        kernels = torch.cat([kernels, -kernels], 1)
    if outputs:
        kernels = torch.cat([kernels, -kernels], 0)
    return kernels


def _cosines(size: int) -> Tensor:
    """The orthonormal DCT-II, functions x samples."""
    time, band = np.arange(size), np.arange(size)[:, None]
    basis = np.cos(np.pi / size * (time + 0.5) * band) * np.sqrt(2 / size)
    basis[0] /= np.sqrt(2)
    return torch.from_numpy(basis.astype(np.float32))


def _lapped(bands: int) -> Tensor:
    """The orthonormal MDCT with a sine window, bands x taps, twice as many taps as bands."""
    time, band = np.arange(2 * bands), np.arange(bands)[:, None]
    window = np.sin(np.pi * (time + 0.5) / (2 * bands))
    cosines = np.cos(np.pi / bands * (time + 0.5 + bands / 2) * (band + 0.5))
    return torch.from_numpy((window * cosines * np.sqrt(2 / bands)).astype(np.float32))


def _transform(features: Tensor, lapped: Tensor, stride: int) -> Tensor:
    """Each channel transformed: crops x (channel, band) x frames."""
    channels = features.shape[1]
    padded = F.pad(features, (stride - stride // 2, stride // 2))
    return F.conv1d(
        padded, lapped.unsqueeze(1).repeat(channels, 1, 1), stride=stride, groups=channels
    )


def _components(features: Tensor, count: int) -> Tensor:
    """The strongest principal components, count x channels, rows orthonormal."""
    rows = features.transpose(1, 2).flatten(0, 1)
    _, directions = torch.linalg.eigh(rows.T @ rows / len(rows))
    return directions.flip(1)[:, :count].T.contiguous()
