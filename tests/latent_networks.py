"""Small networks of compressai's classes, with weights that make their latents vary."""

from typing import Any

import numpy as np

from mpq_checks.signals import Image
from mpq_checks.torch_stack import import_compressai

import_compressai()

import torch  # noqa: E402
from compressai.models import (  # noqa: E402
    JointAutoregressiveHierarchicalPriors,
    MeanScaleHyperprior,
)

from mpq_checks.codecs.latents.coder import LatentCoder  # noqa: E402
from mpq_checks.codecs.latents.images import LatentImageCoder  # noqa: E402
from mpq_checks.codecs.mbt2018 import image_coder  # noqa: E402


def context_network(seed: int = 0) -> Any:
    """MBT2018 of 12 and 16 channels."""
    return _lively(JointAutoregressiveHierarchicalPriors, seed)


def hyperprior_network(seed: int = 0) -> Any:
    """The same without a context model."""
    return _lively(MeanScaleHyperprior, seed)


def _lively(network: Any, seed: int) -> Any:
    generator = torch.Generator().manual_seed(seed)
    model = network(12, 16).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("weight"):
                fan_in = parameter[0].numel()
                parameter.normal_(0, fan_in**-0.5, generator=generator)
            elif name.endswith("bias"):
                parameter.uniform_(-0.1, 0.1, generator=generator)
            elif "entropy_bottleneck" in name and "biases" in name:
                parameter.uniform_(-0.5, 0.5, generator=generator)
        model.g_a[6].weight.mul_(30)
        model.h_a[4].weight.mul_(10)
        last = model.entropy_parameters[4] if hasattr(model, "entropy_parameters") else model.h_s[4]
        last.bias[:16] = torch.linspace(0, 6, 16)
    model.update(force=True)
    return model


def context_coder(model: Any, name: str = "standin") -> LatentImageCoder:
    return image_coder(model, name, b"Mt", "replicate")


def hyperprior_latents(model: Any) -> LatentCoder:
    return LatentCoder(
        "standin",
        entropy_bottleneck=model.entropy_bottleneck,
        gaussian_conditional=model.gaussian_conditional,
        hyper_decoder=model.h_s,
    )


def noise(height: int, width: int, seed: int = 0) -> Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image(pixels)


def smooth(height: int, width: int, seed: int = 0) -> Image:
    """Waves in three colours with a little noise."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    waves = [np.sin((a * x + b * y) / 20) for a, b in random.uniform(-1, 1, (3, 2))]
    pixels = 127 + 100 * np.stack(waves, axis=-1) + random.normal(0, 4, (height, width, 3))
    return Image(np.clip(pixels, 0, 255).astype(np.uint8))
