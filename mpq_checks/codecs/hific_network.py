"""HiFiC's network with fewer filters: Mentzer, Toderici, Tschannen, Agustsson (2020).

"High-Fidelity Generative Image Compression", figure 2: an encoder with channel normalisation, a
hyperprior of mean and scale without context, and a generator of residual blocks. It differs from
the paper's in its numbers of filters and blocks, and in the hyperprior's decoder, which gives
means and scales from one trunk. Importing this module imports torch and compressai.
"""

import itertools
from dataclasses import dataclass
from typing import Any

from mpq_checks.torch_stack import import_compressai

import_compressai()

import torch  # noqa: E402
from compressai.entropy_models import EntropyBottleneck, GaussianConditional  # noqa: E402
from compressai.models import CompressionModel  # noqa: E402
from compressai.ops import quantize_ste  # noqa: E402
from torch import Tensor, nn  # noqa: E402

__all__ = ["HificNetwork", "HificSizes"]


@dataclass(frozen=True)
class HificSizes:
    """Numbers of filters.

    Attributes:
        widths: filters at full, half, quarter and eighth resolution.
        bottom: filters of the residual blocks, at a sixteenth of the resolution.
        blocks: number of residual blocks.
        latent: channels of the latents y.
        hyper: channels of the hyper-latents z.
    """

    widths: tuple[int, int, int, int] = (16, 32, 64, 96)
    bottom: int = 160
    blocks: int = 5
    latent: int = 96
    hyper: int = 64


class ChannelNorm(nn.Module):
    """Normalises each position over its channels; gain and offset are learned per channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(1, channels, 1, 1))
        self.offset = nn.Parameter(torch.zeros(1, channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """N x C x H x W to the same."""
        variance, mean = torch.var_mean(x, dim=1, keepdim=True)
        normalised: Tensor = (x - mean) * torch.rsqrt(variance + 1e-3)
        return normalised * self.gain + self.offset


class ResidualBlock(nn.Module):
    """Two convolutions beside an identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1),
            ChannelNorm(channels),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=1),
            ChannelNorm(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        """N x C x H x W to the same."""
        result: Tensor = x + self.layers(x)
        return result


class Generator(nn.Module):
    """Latents to an image."""

    def __init__(self, sizes: HificSizes) -> None:
        super().__init__()
        self.head = nn.Sequential(
            nn.Conv2d(sizes.latent, sizes.bottom, 3, padding=1), ChannelNorm(sizes.bottom)
        )
        self.blocks = nn.Sequential(*(ResidualBlock(sizes.bottom) for _ in range(sizes.blocks)))
        channels = [sizes.bottom, *reversed(sizes.widths)]
        self.tail = nn.Sequential(
            *(_upsampling(a, b) for a, b in itertools.pairwise(channels)),
            nn.Conv2d(channels[-1], 3, 7, padding=3),
        )

    def forward(self, y_hat: Tensor) -> Tensor:
        """N x latent x H/16 x W/16 to N x 3 x H x W, not clipped to 0..1."""
        x = self.head(y_hat)
        image: Tensor = self.tail(x + self.blocks(x))
        return image


class HificNetwork(CompressionModel):  # type: ignore[misc]
    """Encoder, hyperprior and generator, under the names that compressai's models use.

    g_a: image N x 3 x H x W in 0..1 to latents y, N x latent x H/16 x W/16.
    h_a: y to z, N x hyper x H/64 x W/64. h_s: z_hat to scales and means of y, in this order.
    g_s: y_hat to the image.
    """

    def __init__(self, sizes: HificSizes) -> None:
        super().__init__()
        self.sizes = sizes
        channels = [*sizes.widths, sizes.bottom]
        self.g_a = nn.Sequential(
            nn.Conv2d(3, channels[0], 7, padding=3),
            ChannelNorm(channels[0]),
            nn.ReLU(),
            *(_downsampling(a, b) for a, b in itertools.pairwise(channels)),
            nn.Conv2d(sizes.bottom, sizes.latent, 3, padding=1),
        )
        self.h_a = nn.Sequential(
            nn.Conv2d(sizes.latent, sizes.hyper, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(sizes.hyper, sizes.hyper, 5, stride=2, padding=2),
            nn.ReLU(),
            nn.Conv2d(sizes.hyper, sizes.hyper, 5, stride=2, padding=2),
        )
        self.h_s = nn.Sequential(
            _deconvolution(sizes.hyper, sizes.hyper, 5),
            nn.ReLU(),
            _deconvolution(sizes.hyper, sizes.latent, 5),
            nn.ReLU(),
            nn.Conv2d(sizes.latent, 2 * sizes.latent, 3, padding=1),
        )
        self.g_s = Generator(sizes)
        self.entropy_bottleneck = EntropyBottleneck(sizes.hyper)
        self.gaussian_conditional = GaussianConditional(None)

    def forward(self, x: Tensor) -> dict[str, Any]:
        """Training's pass: noise for the rate, straight-through rounding for the image.

        Gives x_hat, y_hat, the likelihoods of y and z, and those of the rounded y.
        """
        y = self.g_a(x)
        z = self.h_a(y)
        _, z_likelihoods = self.entropy_bottleneck(z)
        offset = self.entropy_bottleneck._get_medians().reshape(1, -1, 1, 1)
        z_hat = quantize_ste(z - offset) + offset
        scales, means = self.h_s(z_hat).chunk(2, 1)
        _, y_likelihoods = self.gaussian_conditional(y, scales, means=means)
        y_hat = quantize_ste(y - means) + means
        with torch.no_grad():
            rounded_likelihoods = self.gaussian_conditional._likelihood(y_hat, scales, means)
        return {
            "x_hat": self.g_s(y_hat),
            "y_hat": y_hat,
            "likelihoods": {"y": y_likelihoods, "z": z_likelihoods},
            "rounded_likelihoods": {"y": rounded_likelihoods, "z": z_likelihoods},
        }


def _downsampling(inputs: int, outputs: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride=2, padding=1), ChannelNorm(outputs), nn.ReLU()
    )


def _upsampling(inputs: int, outputs: int) -> nn.Module:
    return nn.Sequential(_deconvolution(inputs, outputs, 3), ChannelNorm(outputs), nn.ReLU())


def _deconvolution(inputs: int, outputs: int, kernel: int) -> nn.Module:
    return nn.ConvTranspose2d(
        inputs, outputs, kernel, stride=2, padding=kernel // 2, output_padding=1
    )
