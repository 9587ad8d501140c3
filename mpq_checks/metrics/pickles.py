"""Readers for the two weight files that are pickles: they admit arrays and nothing else.

A pickle names the functions that its reader calls, so an ordinary reader runs what the file says.
These look each name up in a short list and refuse the rest. Both files are pinned by SHA-256.
"""

import importlib.metadata
import pickle
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt

from mpq_checks.errors import AssetCorruptError

__all__ = ["read_numpy_pickle", "read_torch_pickle"]


def read_numpy_pickle(path: Path) -> dict[str, npt.NDArray[np.float32]]:
    """Nested dictionaries of float32 arrays as one: `{"Conv_0/kernel": array}`.

    Raises:
        AssetCorruptError: not such a pickle, or one that names anything else.
    """
    try:
        with path.open("rb") as file:
            tree = _ArrayUnpickler(file).load()
    except (pickle.UnpicklingError, EOFError, ValueError, TypeError, AttributeError) as exc:
        raise AssetCorruptError(f"{path} is not a pickle of arrays: {exc}") from exc
    arrays: dict[str, npt.NDArray[np.float32]] = {}
    _flatten(tree, "", arrays, path)
    return arrays


def read_torch_pickle(path: Path) -> dict[str, Any]:
    """A checkpoint that `torch.save` wrote before torch 1.6; tensors come to the CPU.

    `weights_only=True` cannot read this form (it lacks an instruction of it); this reader admits
    the same harmless names: tensors, storages, ordered dictionaries.

    Raises:
        AssetCorruptError: not such a checkpoint, or one that names anything else.
    """
    import torch

    restricted = SimpleNamespace(
        __name__="restricted_pickle",
        Unpickler=_TensorUnpickler,
        load=lambda file, **options: _TensorUnpickler(file, **options).load(),
    )
    try:
        state = torch.load(  # nosec: restricted_pickle admits tensors only
            path, map_location="cpu", pickle_module=restricted, weights_only=False
        )
    except (pickle.UnpicklingError, EOFError, ValueError, TypeError, RuntimeError) as exc:
        raise AssetCorruptError(f"{path} is not a checkpoint of tensors: {exc}") from exc
    if not isinstance(state, dict):
        raise AssetCorruptError(f"{path} holds {type(state).__name__}, not a dictionary")
    return state


def _refuse(module: str, name: str) -> pickle.UnpicklingError:
    return pickle.UnpicklingError(f"it names {module}.{name}, which is not admitted")


class _ArrayUnpickler(pickle.Unpickler):
    """Admits what numpy arrays are pickled with."""

    def find_class(self, module: str, name: str) -> Any:
        """Look a name up in the list."""
        if (module, name) == ("numpy", "ndarray"):
            return np.ndarray
        if (module, name) == ("numpy", "dtype"):
            return np.dtype
        core = ("numpy.core.multiarray", "numpy._core.multiarray")
        if module in core and name == "_reconstruct":
            major = int(importlib.metadata.version("numpy").split(".")[0])
            return super().find_class(core[1] if major >= 2 else core[0], name)
        raise _refuse(module, name)


class _TensorUnpickler(pickle.Unpickler):
    """Admits what tensors are pickled with; torch itself resolves the storages' names."""

    def find_class(self, module: str, name: str) -> Any:
        """Look a name up in the list."""
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return super().find_class(module, name)
        raise _refuse(module, name)


def _flatten(
    tree: Any, prefix: str, arrays: dict[str, npt.NDArray[np.float32]], path: Path
) -> None:
    """Collect the leaves of nested dictionaries."""
    if isinstance(tree, Mapping):
        for key, branch in tree.items():
            _flatten(branch, f"{prefix}/{key}" if prefix else str(key), arrays, path)
    elif isinstance(tree, np.ndarray) and tree.dtype == np.float32:
        arrays[prefix] = tree
    else:
        kind = getattr(tree, "dtype", type(tree).__name__)
        raise AssetCorruptError(f"{path}: {prefix or 'the whole'} is {kind}, not a float32 array")
