"""Demucs' own model packages: which models there are, and reading them without running code.

A package is a file `SIGNATURE-CHECKSUM.th`, a pickle of a dictionary: the network's class
(`klass`), its arguments (`args`, `kwargs`) and its tensors (`state`). The checksum is the beginning
of the file's SHA-256. Several packages make a bag, whose estimates are averaged with weights.
"""

import hashlib
import importlib
import os
import pickle
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from mpq_checks.assets import asset_path, asset_sha256
from mpq_checks.errors import AssetCorruptError, ModelError
from mpq_checks.models.hub import MODELS_VARIABLE
from mpq_checks.models.pretrained_folder import file_sha256

__all__ = ["BAGS", "Bag", "local_packages", "package_module", "packages_sha256", "read_bag"]

_CLASSES = {"Demucs": "demucs.demucs", "HDemucs": "demucs.hdemucs", "HTDemucs": "demucs.htdemucs"}
_CHECKSUM_DIGITS = 8


@dataclass(frozen=True)
class Bag:
    """Packages that are averaged.

    Attributes:
        signatures: of the packages, in order.
        weights: of each package for each stem; none: all equal.
        segment: seconds that the networks take at once; none: what each was made for.
    """

    signatures: tuple[str, ...]
    weights: tuple[tuple[float, ...], ...] | None = None
    segment: float | None = None

    @property
    def assets(self) -> tuple[str, ...]:
        """Names of the official packages in the manifest."""
        return tuple(f"demucs-{signature}" for signature in self.signatures)


_MDX_WEIGHTS = ((1.0, 1.0, 0.0, 0.0), (0.0, 1.0, 0.0, 0.0), (1.0, 0.0, 1.0, 1.0))

BAGS: Mapping[str, Bag] = {
    "mdx": Bag(
        ("0d19c1c6", "7ecf8ec1", "c511e2ab", "7d865c68"), (*_MDX_WEIGHTS, _MDX_WEIGHTS[2]), 44
    ),
    "mdx_extra": Bag(("e51eebcc", "a1d90b5c", "5d2d6c55", "cfa93e08"), segment=44),
    "hdemucs_mmi": Bag(("75fc33f5",), segment=44),
    "htdemucs": Bag(("955717e8",)),
    "htdemucs_ft": Bag(
        ("f7e0c4bc", "d12395a8", "92cfc3b6", "04573f0d"),
        tuple(tuple(float(stem == model) for stem in range(4)) for model in range(4)),
    ),
}
"""The official models by name, as the demucs package has them; a test holds them against it."""


def local_packages(name: str) -> tuple[Path, ...] | None:
    """The packages of a model in the folder `MPQ_MODELS_DIR/demucs/<name>`; None without it.

    Raises:
        ModelError: the folder lacks one of them, or holds two of one signature.
    """
    root = os.environ.get(MODELS_VARIABLE)
    folder = Path(root).expanduser().absolute() / "demucs" / name if root else None
    if folder is None or not folder.is_dir():
        return None
    return tuple(_local(folder, signature) for signature in BAGS[name].signatures)


def packages_sha256(name: str) -> str:
    """SHA-256 of the package, or of the list of those of a bag. Raises as `read_bag` does."""
    local = local_packages(name)
    if local is not None:
        hashes = [file_sha256(path) for path in local]
    else:
        hashes = [asset_sha256(asset) for asset in BAGS[name].assets]
    if len(hashes) == 1:
        return hashes[0]
    pairs = zip(hashes, BAGS[name].signatures, strict=True)
    return hashlib.sha256("".join(f"{a}  {b}\n" for a, b in pairs).encode()).hexdigest()


def read_bag(name: str) -> Any:
    """demucs' BagOfModels of a model, float32, on the CPU, ready to separate.

    Raises:
        AssetMissingError: a package that is neither here nor to be had.
        AssetCorruptError: a package with another SHA-256 than its name or the manifest says.
        ModelError: a file that is no such package, or the demucs package is not installed.
    """
    apply = package_module("demucs.apply")
    bag = BAGS[name]
    paths = local_packages(name) or tuple(asset_path(asset) for asset in bag.assets)
    networks = [_read_package(path) for path in paths]
    try:
        return apply.BagOfModels(networks, bag.weights, bag.segment).eval().requires_grad_(False)
    except AssertionError as exc:
        raise ModelError(f"the packages of {name} differ in stems, rate or channels") from exc


def package_module(name: str) -> ModuleType:
    """A module of the demucs package. Raises ModelError where it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError as exc:
        raise ModelError(
            f"Demucs needs the demucs package ({exc}); install it: pip install 'mpq-checks[paper]'"
        ) from exc


def _local(folder: Path, signature: str) -> Path:
    found = sorted({*folder.glob(f"{signature}.th"), *folder.glob(f"{signature}-*.th")})
    if len(found) != 1:
        what = f"{len(found)} packages" if found else "no package"
        raise ModelError(f"{folder} has {what} {signature}[-CHECKSUM].th; put one there")
    _, _, checksum = found[0].stem.partition("-")
    sha256 = file_sha256(found[0])
    if checksum and not sha256.startswith(checksum):
        raise AssetCorruptError(
            f"{found[0]} has SHA-256 {sha256[:_CHECKSUM_DIGITS]}..., not {checksum} as its name "
            "says; fetch the file anew"
        )
    return found[0]


def _read_package(path: Path) -> Any:
    """The network of one package."""
    states = package_module("demucs.states")
    import torch

    try:
        with _admitted(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the pickle's protocol and dropped arguments
            package = torch.load(path, map_location="cpu", weights_only=True)
            if package["klass"] not in _classes().values():
                raise ModelError(
                    f"{path} names {package['klass']!r}, which is no network of demucs"
                )
            if package["state"].get("__quantized"):
                raise ModelError(f"{path} is quantised; take the model without the ending _q")
            with torch.random.fork_rng(devices=[]):
                network = states.load_model(dict(package))
    except (
        *(OSError, RuntimeError, pickle.UnpicklingError, EOFError),
        *(AttributeError, AssertionError, TypeError, KeyError, ValueError),
    ) as exc:
        reason = (str(exc).strip().splitlines() or ["no reason given"])[0]
        raise ModelError(
            f"{path} is not a model package of demucs: {type(exc).__name__}: {reason}; fetch the "
            "official file anew"
        ) from exc
    return network.eval()


def _classes() -> dict[str, Any]:
    return {
        f"{module}.{name}": getattr(package_module(module), name)
        for name, module in _CLASSES.items()
    }


@contextmanager
def _admitted() -> Iterator[None]:
    """Let torch's reader of weights also find the networks' classes and plain numbers.

    That reader knows tensors and containers only. numpy's scalars stand in the training's settings.
    """
    from fractions import Fraction

    import numpy as np
    import torch

    scalar = np.core.multiarray.scalar  # type: ignore[attr-defined]
    numbers = [type(np.dtype(kind)) for kind in ("f8", "f4", "i8", "i4", "?")]
    with torch.serialization.safe_globals(
        [
            *[(klass, name) for name, klass in _classes().items()],
            Fraction,
            (scalar, "numpy.core.multiarray.scalar"),
            (scalar, "numpy._core.multiarray.scalar"),
            np.dtype,
            *numbers,
        ]
    ):
        yield
