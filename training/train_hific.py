"""Train the compact HiFiC: `python training/train_hific.py`.

The first part learns rate, squared error and LPIPS; the last adds the discriminator. Weights of
the losses are those of Mentzer et al. (2020), section 4, but that LPIPS counts three times: so
small a network has far more squared error to trade it against. The rate is steered to a target.
"""

import argparse
import itertools
import logging
import math
from dataclasses import asdict

import numpy as np
import torch
from codec_export import export_codec
from codec_loop import CodecRecipe, fit_codec, rate_bpp
from photographs import Crops
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm
from vit import RUNS

from mpq_checks.codecs.hific_network import HificNetwork, HificSizes
from mpq_checks.metrics.lpips import _network as lpips_network

NAME = "hific-compact"
SIDE = 128
TARGET_BPP = 0.086
MSE_WEIGHT = 0.075 / 32
LPIPS_WEIGHT = 3.0
ADVERSARIAL_WEIGHT = 0.15
ADVERSARIAL_FROM = 0.7
RECIPE = CodecRecipe(steps=5_000, batch_size=4, learning_rate=2e-3)

logger = logging.getLogger("training.train_hific")


class Discriminator(nn.Module):
    """Judges patches of an image, told the latents."""

    def __init__(self, latent: int) -> None:
        super().__init__()
        self.condition = nn.Sequential(
            spectral_norm(nn.Conv2d(latent, 12, 3, padding=1)), nn.LeakyReLU(0.2)
        )
        channels = (15, 32, 64, 128, 128)
        self.layers = nn.Sequential(
            *(
                nn.Sequential(
                    spectral_norm(nn.Conv2d(a, b, 4, stride=2, padding=1)), nn.LeakyReLU(0.2)
                )
                for a, b in itertools.pairwise(channels)
            ),
            spectral_norm(nn.Conv2d(channels[-1], 1, 1)),
        )

    def forward(self, image: Tensor, y_hat: Tensor) -> Tensor:
        """Logits of being real, N x 1 x H/16 x W/16."""
        condition = nn.functional.interpolate(self.condition(y_hat), scale_factor=16)
        logits: Tensor = self.layers(torch.cat((image, condition), 1))
        return logits


class RateWeight(nn.Module):
    """The weight of the rate: it grows while the mean rate is above the target."""

    def __init__(self, target_bpp: float) -> None:
        super().__init__()
        self.target_bpp = target_bpp
        self.register_buffer("value", torch.tensor(2.0))

    def forward(self, rate: Tensor, coded_rate: Tensor) -> Tensor:
        """The weighted rate; `coded_rate` is that of the rounded latents, which is steered."""
        error = (float(coded_rate) / self.target_bpp - 1.0) * 0.005
        self.value *= math.exp(max(-0.005, min(0.005, error)))
        weighted: Tensor = self.value.detach() * rate
        return weighted


def main() -> None:
    """Train, log, export."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--steps", type=int, default=RECIPE.steps)
    parser.add_argument("--target-bpp", type=float, default=TARGET_BPP)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(options.threads)
    torch.manual_seed(RECIPE.seed)
    model = HificNetwork(HificSizes())
    discriminator = Discriminator(model.sizes.latent)
    judge = torch.optim.Adam(discriminator.parameters(), lr=2e-4, betas=(0.5, 0.9))
    weight = RateWeight(options.target_bpp)
    lpips = lpips_network("alex").requires_grad_(False)
    crops = Crops(SIDE)
    watched = crops.watched()

    def step(random: np.random.Generator, progress: float) -> Tensor:
        model.train()
        x = crops.batch(RECIPE.batch_size, random)
        out = model(x)
        image = out["x_hat"]
        coded_rate = rate_bpp(out["rounded_likelihoods"], x).detach()
        loss = weight(rate_bpp(out["likelihoods"], x), coded_rate)
        loss = loss + MSE_WEIGHT * 255**2 * nn.functional.mse_loss(image, x)
        loss = loss + LPIPS_WEIGHT * lpips(image * 2 - 1, x * 2 - 1).mean()
        if progress < ADVERSARIAL_FROM:
            return loss
        condition = out["y_hat"].detach()
        _learn_to_judge(discriminator, judge, x, image.detach(), condition)
        discriminator.requires_grad_(False)
        fooled = nn.functional.softplus(-discriminator(image, condition)).mean()
        discriminator.requires_grad_(True)
        return loss + ADVERSARIAL_WEIGHT * fooled

    def validate(average: nn.Module) -> str:
        average.eval()
        with torch.no_grad():
            out = average(watched)
            image = out["x_hat"].clamp(0, 1)
            mse = float(nn.functional.mse_loss(image, watched))
            rate = float(rate_bpp(out["rounded_likelihoods"], watched))
            distance = float(lpips(image * 2 - 1, watched * 2 - 1).mean())
        return (
            f"{rate:.4f} bpp  {-10 * math.log10(mse):.2f} dB  LPIPS {distance:.4f}  "
            f"weight {float(weight.value):.3f}"
        )

    recipe = CodecRecipe(**{**vars(RECIPE), "steps": options.steps})
    best = fit_codec(
        model,
        recipe,
        step,
        RUNS / NAME,
        resume=options.resume,
        validate=validate,
        also={"discriminator": discriminator, "judge": judge, "weight": weight},
    )
    config = {"architecture": "HificNetwork", "sizes": asdict(model.sizes)}
    export_codec(best, NAME, {**config, "target_bpp": options.target_bpp, "steps": options.steps})


def _learn_to_judge(
    discriminator: Discriminator,
    judge: torch.optim.Optimizer,
    real: Tensor,
    fake: Tensor,
    condition: Tensor,
) -> None:
    loss = nn.functional.softplus(-discriminator(real, condition)).mean()
    loss = loss + nn.functional.softplus(discriminator(fake, condition)).mean()
    judge.zero_grad(set_to_none=True)
    loss.backward()
    judge.step()


if __name__ == "__main__":
    main()
