"""Writes a trained codec as the package reads it: config.json and model.safetensors."""

import json
from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import save_file
from torch import nn

from mpq_checks.torch_stack import prepare

__all__ = ["export_codec"]

WEIGHTS = Path(__file__).resolve().parent.parent / "mpq_checks" / "weights"


def export_codec(model: nn.Module, name: str, config: Mapping[str, object]) -> Path:
    """Fit the bottleneck's quantiles, build the tables of the range coder, write both files."""
    prepare()
    from compressai.models.base import get_scale_table

    _fit_quantiles(model)
    model.entropy_bottleneck.update(force=True)
    model.gaussian_conditional.update_scale_table(get_scale_table(), force=True)
    folder = WEIGHTS / name
    folder.mkdir(parents=True, exist_ok=True)
    state = {key: value.contiguous() for key, value in model.state_dict().items()}
    save_file(state, folder / "model.safetensors")
    text = json.dumps(dict(config), indent=2) + "\n"
    (folder / "config.json").write_text(text, encoding="utf-8")
    return folder


def _fit_quantiles(model: nn.Module) -> None:
    """Quantiles that bound the tails of each channel's distribution, by compressai's loss."""
    import torch

    bottleneck = model.entropy_bottleneck
    quantiles = bottleneck.quantiles.requires_grad_(True)
    optimizer = torch.optim.Adam([quantiles], lr=1e-2)
    for _ in range(10_000):
        optimizer.zero_grad()
        loss = bottleneck.loss()
        loss.backward()
        optimizer.step()
