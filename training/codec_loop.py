"""The training loop of the image codecs: steps, a long plateau, a decay at the end.

The learning rate stays constant and falls linearly over the last part, so that a run can be made
longer: resume it with more steps from a checkpoint before the decay.
"""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

__all__ = ["CodecRecipe", "fit_codec", "rate_bpp", "soap"]

logger = logging.getLogger("training.codec_loop")

KEEP_EVERY = 1_000


@dataclass(frozen=True)
class CodecRecipe:
    """How long and how fast to learn; the seed decides everything that is random."""

    steps: int
    batch_size: int
    learning_rate: float
    warmup_steps: int = 200
    decay: float = 0.25
    average_decay: float = 0.999
    seed: int = 1

    def rate_at(self, step: int) -> float:
        """Learning rate at a step."""
        rising = min(1.0, (step + 1) / self.warmup_steps)
        left = (self.steps - step) / (self.decay * self.steps)
        return self.learning_rate * rising * min(1.0, left)


def soap(parameters: list[nn.Parameter], learning_rate: float) -> torch.optim.Optimizer:
    """SOAP (Vyas et al., 2024), which needs far fewer steps here than Adam."""
    from pytorch_optimizer import SOAP

    return SOAP(
        parameters,
        lr=learning_rate,
        betas=(0.95, 0.95),
        weight_decay=0.0,
        precondition_frequency=10,
        max_precondition_dim=700,
    )


def rate_bpp(likelihoods: Mapping[str, Tensor], x: Tensor) -> Tensor:
    """Estimated bits per pixel of a batch N x 3 x H x W."""
    pixels = x.shape[0] * x.shape[2] * x.shape[3]
    bits = [-torch.log2(values).sum() for values in likelihoods.values()]
    return torch.stack(bits).sum() / pixels


def fit_codec(
    trained: nn.Module,
    recipe: CodecRecipe,
    step: Callable[[np.random.Generator, float], Tensor],
    folder: Path,
    *,
    resume: bool,
    validate: Callable[[nn.Module], str],
    also: Mapping[str, Any] | None = None,
    report_every: int = 250,
) -> nn.Module:
    """Train; give the running average of the weights.

    `step` takes a source of randomness and the progress 0..1 and gives the loss. Each step draws
    from its own seeds, so a resumed run sees what an unbroken one would have seen. `also` is what
    else a checkpoint holds: modules or optimizers of the step itself.
    """
    folder.mkdir(parents=True, exist_ok=True)
    quantiles = trained.entropy_bottleneck.quantiles
    parameters = [p for p in trained.parameters() if p is not quantiles]
    optimizer = soap(parameters, recipe.learning_rate)
    tails = torch.optim.Adam([quantiles], lr=1e-2)
    average = torch.optim.swa_utils.AveragedModel(
        trained, avg_fn=_average(recipe.average_decay), use_buffers=False
    )
    kept = {"trained": trained, "average": average, "optimizer": optimizer, "tails": tails}
    kept.update(also or {})
    first = _resumed(folder / "checkpoint.pt", kept) if resume else 0
    losses, started = 0.0, time.monotonic()
    for i in range(first, recipe.steps):
        torch.manual_seed(recipe.seed * 10_000_000 + i)
        for group in optimizer.param_groups:
            group["lr"] = recipe.rate_at(i)
        loss = step(np.random.default_rng([recipe.seed, i]), i / recipe.steps)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        tails.zero_grad(set_to_none=True)
        trained.entropy_bottleneck.loss().backward()
        tails.step()
        average.update_parameters(trained)
        losses += float(loss.detach())
        if (i + 1) % report_every == 0 or i + 1 == recipe.steps:
            seconds = time.monotonic() - started
            logger.info(
                "step %d/%d  loss %.4f  %s  %.0f s",
                i + 1,
                recipe.steps,
                losses / report_every,
                validate(average.module),
                seconds,
            )
            losses, started = 0.0, time.monotonic()
            _save(folder / "checkpoint.pt", kept, i + 1)
        if (i + 1) % KEEP_EVERY == 0:
            _save(folder / f"step-{i + 1}.pt", kept, i + 1)
            (folder / f"step-{i + 1 - 2 * KEEP_EVERY}.pt").unlink(missing_ok=True)
    return average.module.eval()


def _average(decay: float) -> Callable[[Tensor, Tensor, Tensor | int], Tensor]:
    """A running average that forgets the first, untrained steps."""

    def blend(averaged: Tensor, current: Tensor, count: Tensor | int) -> Tensor:
        kept = min(decay, (1 + int(count)) / (10 + int(count)))
        return torch.lerp(current, averaged, kept)

    return blend


def _resumed(checkpoint: Path, kept: Mapping[str, Any]) -> int:
    if not checkpoint.exists():
        return 0
    state = torch.load(checkpoint, weights_only=True)
    for name, holder in kept.items():
        holder.load_state_dict(state[name])
    logger.info("resuming at step %d", state["step"])
    return int(state["step"])


def _save(path: Path, kept: Mapping[str, Any], step: int) -> None:
    state = {name: holder.state_dict() for name, holder in kept.items()}
    partial = path.with_suffix(".part")
    torch.save({**state, "step": step}, partial)
    partial.replace(path)
