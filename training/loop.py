"""The training loop that the three models share."""

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

__all__ = ["Recipe", "fit"]

logger = logging.getLogger("training.loop")


@dataclass(frozen=True)
class Recipe:
    """How long and how fast to learn; the seed decides everything that is random."""

    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float = 0.05
    warmup: float = 0.05
    average_decay: float = 0.995
    seed: int = 1


Step = Callable[[Tensor, float, torch.Generator], Tensor]
"""Indices of a batch, progress 0..1 and a source of randomness in, the loss out."""


def fit(
    trained: nn.Module,
    recipe: Recipe,
    num_samples: int,
    step: Step,
    folder: Path,
    *,
    resume: bool,
    validate: Callable[[nn.Module], str],
) -> nn.Module:
    """Train with AdamW, a warm-up and a cosine; give the running average of the weights.

    A checkpoint is written into `folder` after each epoch; `resume` goes on from there. Each
    epoch draws from its own generator, so a resumed run sees what an unbroken one would have seen.
    The weights of the last epoch are taken: `validate` is for the log alone.
    """
    checkpoint = folder / "checkpoint.pt"
    average = torch.optim.swa_utils.AveragedModel(
        trained, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(recipe.average_decay)
    )
    optimizer = torch.optim.AdamW(parameter_groups(trained, recipe.weight_decay))
    steps_an_epoch = num_samples // recipe.batch_size
    total = recipe.epochs * steps_an_epoch
    first_epoch = 0
    if resume and checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        trained.load_state_dict(state["trained"])
        average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
        first_epoch = state["epoch"] + 1
        logger.info("resuming at epoch %d", first_epoch)

    for epoch in range(first_epoch, recipe.epochs):
        generator = torch.Generator().manual_seed(recipe.seed * 10_000 + epoch)
        order = torch.randperm(num_samples, generator=generator)
        started, losses = time.monotonic(), 0.0
        trained.train()
        for i in range(steps_an_epoch):
            progress = (epoch * steps_an_epoch + i) / total
            rate = learning_rate(recipe, progress)
            for group in optimizer.param_groups:
                group["lr"] = rate
            loss = step(
                order[i * recipe.batch_size : (i + 1) * recipe.batch_size], progress, generator
            )
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(trained.parameters(), 1.0)
            optimizer.step()
            average.update_parameters(trained)
            losses += float(loss.detach())
        logger.info(
            "epoch %d/%d  loss %.4f  %s  %.0f s",
            epoch + 1,
            recipe.epochs,
            losses / steps_an_epoch,
            validate(average.module),
            time.monotonic() - started,
        )
        state = {
            "trained": trained.state_dict(),
            "average": average.state_dict(),
            "optimizer": optimizer.state_dict(),
            "epoch": epoch,
        }
        partial = checkpoint.with_suffix(".part")
        torch.save(state, partial)
        partial.replace(checkpoint)
    return average.module.eval()


def learning_rate(recipe: Recipe, progress: float) -> float:
    """Linear warm-up, then half a cosine down to a hundredth."""
    if progress < recipe.warmup:
        return recipe.learning_rate * (progress + 1e-3) / recipe.warmup
    rest = (progress - recipe.warmup) / (1 - recipe.warmup)
    return recipe.learning_rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * rest)))


def parameter_groups(module: nn.Module, weight_decay: float) -> list[dict[str, object]]:
    """Weight decay for matrices, none for biases, norms and embeddings of one row."""
    matrices = [p for p in module.parameters() if p.ndim >= 2 and p.requires_grad]
    vectors = [p for p in module.parameters() if p.ndim < 2 and p.requires_grad]
    return [
        {"params": matrices, "weight_decay": weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
