"""Networks whose weights come with this package: a folder each under `weights/`.

A folder holds config.json and model.safetensors. SHA256SUMS beside the folders pins the latter.
"""

import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mpq_checks.errors import ModelError

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "SHIPPED",
    "read_config",
    "read_weights",
    "shipped_folder",
    "weights_sha256",
]

SHIPPED = Path(__file__).resolve().parent / "weights"
"""The folder of the networks that come with this package, described in docs/reference/models.md."""

_SUMS = "SHA256SUMS"
_WEIGHTS = "model.safetensors"
_CONFIG = "config.json"
_MEND = "install mpq-checks anew"


def shipped_folder(name: str) -> Path:
    """The folder of one network. Raises ModelError where none has the name."""
    names = sorted(child.name for child in SHIPPED.iterdir() if child.is_dir())
    if name not in names:
        raise ModelError(f"no model {name!r} comes with mpq_checks; there are {', '.join(names)}")
    return SHIPPED / name


def weights_sha256(name: str) -> str:
    """The SHA-256 that the network's weights are pinned by. Raises ModelError."""
    file = f"{name}/{_WEIGHTS}"
    sums = _sums()
    if file not in sums:
        raise ModelError(f"{SHIPPED / _SUMS} does not name {file}; {_MEND}")
    return sums[file]


def read_config(name: str) -> dict[str, Any]:
    """The content of config.json. Raises ModelError."""
    path = shipped_folder(name) / _CONFIG
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as exc:
        raise ModelError(f"{path} cannot be read: {exc}; {_MEND}") from exc
    if not isinstance(content, dict):
        raise ModelError(f"{path} holds {type(content).__name__}, not an object; {_MEND}")
    return content


def read_weights(name: str) -> "dict[str, Tensor]":
    """The tensors of model.safetensors, after a check of its SHA-256. Raises ModelError."""
    import hashlib

    from safetensors import SafetensorError
    from safetensors.torch import load

    path = shipped_folder(name) / _WEIGHTS
    try:
        data = path.read_bytes()
        found = hashlib.sha256(data).hexdigest()
        if found != weights_sha256(name):
            raise ModelError(
                f"{path} has SHA-256 {found}, not {weights_sha256(name)}, by which {_SUMS} pins "
                f"it; {_MEND}"
            )
        return load(data)
    except (OSError, SafetensorError) as exc:
        raise ModelError(f"{path} cannot be read: {exc}; {_MEND}") from exc


@cache
def _sums() -> dict[str, str]:
    try:
        lines = (SHIPPED / _SUMS).read_text("utf-8").split("\n")
    except OSError as exc:
        raise ModelError(f"{SHIPPED / _SUMS} cannot be read: {exc}; {_MEND}") from exc
    return {file: digest for digest, _, file in (line.partition("  ") for line in lines) if file}
