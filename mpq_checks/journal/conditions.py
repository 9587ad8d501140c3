"""What the rows of a case depend on: only where all of it is the same may rows be reused."""

import hashlib
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any

from mpq_checks.environment import environment
from mpq_checks.evidence import Row
from mpq_checks.profiles.base import Case

__all__ = ["conditions_of"]

_PACKAGE = Path(__file__).parent.parent


def conditions_of(
    case: Case, identities: Mapping[str, Mapping[str, str]], device: str
) -> dict[str, Any]:
    """All that the rows of a case depend on but the samples, which have hashes of their own.

    Identities, environment (threads too, as they move the last digits of a model's output), the
    form of a row, and a hash of the code: this package and the files in which the classes of
    codec, task, model, metric and dataset are written.

    Args:
        case: the case.
        identities: as in its evidence.
        device: `cpu` or `cuda`; of `cuda` the name of the GPU is part of it.

    Returns:
        JSON values only.
    """
    # What torch says must not hang on which case happened to import it before.
    import torch

    found = environment(device)
    if device == "cuda":
        found = {**found, "gpu": torch.cuda.get_device_name()}
    return {
        "case": case.id,
        "dataset": case.task.dataset.name,
        "identities": {part: dict(identity) for part, identity in identities.items()},
        "environment": found,
        "nominal_rate": case.codec.nominal_rate,
        "row": [field.name for field in fields(Row)],
        "code_sha256": _code_sha256(case),
    }


def _code_sha256(case: Case) -> str:
    """By names and contents of the files, wherever they lie."""
    parts = [*_parts(case), *_parts(case.task.dataset), *_parts(case.task.perceptual)]
    modules = {kind.__module__ for part in parts for kind in type(part).__mro__}
    paths = {getattr(sys.modules.get(name), "__file__", None) for name in modules}
    own = [Path(path) for path in paths if path is not None]
    return _sha256([_package_sha256(), *_hashes(path for path in own if path.is_file())])


def _parts(value: object) -> Iterator[object]:
    """The value and, of a dataclass or tuple, what it consists of."""
    if isinstance(value, tuple):
        for item in value:
            yield from _parts(item)
    elif is_dataclass(value) and not isinstance(value, type):
        yield value
        for field in fields(value):
            yield from _parts(getattr(value, field.name))
    else:
        yield value


@cache
def _package_sha256() -> str:
    return _sha256(_hashes(_PACKAGE.rglob("*.py")))


def _hashes(paths: Iterable[Path]) -> list[str]:
    found = [f"{path.name} {hashlib.sha256(path.read_bytes()).hexdigest()}" for path in paths]
    return sorted(found)


def _sha256(lines: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
