"""Write weights where the package ships them."""

import hashlib
import json
import logging
from pathlib import Path
from typing import Any

import torch

__all__ = ["SHIPPED", "export"]

SHIPPED = Path(__file__).resolve().parent.parent / "mpq_checks" / "weights"

logger = logging.getLogger("training.export")


def export(model: Any, name: str, processor_type: str, image_size: int) -> Path:
    """Save config.json, model.safetensors and preprocessor_config.json; give the folder."""
    folder = SHIPPED / name
    model.to(torch.float32).save_pretrained(folder)
    (folder / "model.safetensors").chmod(0o644)
    preprocessing = {
        "image_processor_type": processor_type,
        "do_resize": True,
        "size": {"height": image_size, "width": image_size},
        "resample": 2,  # PIL's bilinear; nothing happens to an image that has the size
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(preprocessing, indent=2) + "\n")
    digest = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    logger.info("%s: SHA-256 %s", folder / "model.safetensors", digest)
    return folder
