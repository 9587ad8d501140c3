"""Train the compact MBT2018: `python training/train_mbt2018.py`."""

import argparse
import logging
import math
from typing import Any

import numpy as np
import torch
from codec_export import export_codec
from codec_loop import CodecRecipe, fit_codec, rate_bpp
from photographs import Crops
from torch import Tensor, nn

from mpq_checks.torch_stack import prepare

prepare()

from compressai.models import JointAutoregressiveHierarchicalPriors  # noqa: E402
from compressai.ops import quantize_ste  # noqa: E402
from vit import RUNS  # noqa: E402

NAME = "mbt2018-compact"
N, M = 64, 96
LAMBDA = 0.002
SIDE = 128
RECIPE = CodecRecipe(steps=9_000, batch_size=4, learning_rate=2e-3)

logger = logging.getLogger("training.train_mbt2018")


def forward(model: nn.Module, x: Tensor) -> dict[str, Any]:
    """Training's pass: noise for context and rate, straight-through rounding for the image.

    Minnen and Singh (2020) call it mixed quantisation; the synthesis then sees what it sees when
    decoding.
    """
    y = model.g_a(x)
    z = model.h_a(y)
    _, z_likelihoods = model.entropy_bottleneck(z)
    hyper = model.h_s(_rounded_z(model, z))
    noisy = model.gaussian_conditional.quantize(y, "noise")
    scales, means = _parameters(model, hyper, noisy)
    _, y_likelihoods = model.gaussian_conditional(y, scales, means=means)
    y_hat = quantize_ste(y - means) + means
    return {"x_hat": model.g_s(y_hat), "likelihoods": {"y": y_likelihoods, "z": z_likelihoods}}


def coded(model: nn.Module, x: Tensor) -> dict[str, Any]:
    """Nearly what coding gives: the context is rounded too, in two passes for all positions."""
    y = model.g_a(x)
    z = model.h_a(y)
    hyper = model.h_s(_rounded_z(model, z))
    y_hat = torch.round(y)
    for _ in range(2):
        scales, means = _parameters(model, hyper, y_hat)
        y_hat = torch.round(y - means) + means
    _, z_likelihoods = model.entropy_bottleneck(z)
    likelihoods = {"y": model.gaussian_conditional._likelihood(y_hat, scales, means)}
    return {"x_hat": model.g_s(y_hat), "likelihoods": {**likelihoods, "z": z_likelihoods}}


def _rounded_z(model: nn.Module, z: Tensor) -> Tensor:
    offset = model.entropy_bottleneck._get_medians().reshape(1, -1, 1, 1)
    return quantize_ste(z - offset) + offset


def _parameters(model: nn.Module, hyper: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
    """Scales and means of y."""
    both = torch.cat((hyper, model.context_prediction(context)), 1)
    scales, means = model.entropy_parameters(both).chunk(2, 1)
    return scales, means


def main() -> None:
    """Train, log, export."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--steps", type=int, default=RECIPE.steps)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(options.threads)
    torch.manual_seed(RECIPE.seed)
    model = JointAutoregressiveHierarchicalPriors(N, M)
    crops = Crops(SIDE)
    watched = crops.watched()

    def step(random: np.random.Generator, _progress: float) -> Tensor:
        model.train()
        x = crops.batch(RECIPE.batch_size, random)
        out = forward(model, x)
        distortion = LAMBDA * 255**2 * nn.functional.mse_loss(out["x_hat"], x)
        return distortion + rate_bpp(out["likelihoods"], x)

    def validate(average: nn.Module) -> str:
        average.eval()
        with torch.no_grad():
            out = coded(average, watched)
            mse = float(nn.functional.mse_loss(out["x_hat"].clamp(0, 1), watched))
            rate = float(rate_bpp(out["likelihoods"], watched))
        return f"{rate:.4f} bpp  {-10 * math.log10(mse):.2f} dB"

    recipe = CodecRecipe(**{**vars(RECIPE), "steps": options.steps})
    best = fit_codec(model, recipe, step, RUNS / NAME, resume=options.resume, validate=validate)
    export_codec(
        best,
        NAME,
        {
            "architecture": "JointAutoregressiveHierarchicalPriors",
            "N": N,
            "M": M,
            "lambda": LAMBDA,
            "steps": options.steps,
        },
    )


if __name__ == "__main__":
    main()
