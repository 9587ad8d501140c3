"""The traps of the torch stack, mended in one place: call `prepare` before any such import.

Each mend is active only where its trap is found; with matching builds nothing is touched.

- PyPI's Linux wheels of torchvision and torchaudio link CUDA. Beside a CPU build of torch their
  C++ libraries cannot load. torchvision then fails to import, because it registers shape
  functions for two operators, `nms` and `qnms`, that only its library defines; transformers and
  lpips fail with it. Declaring the two (never called here) lets the Python part import.
- torchaudio fails to import at all, and transformers and encodec with it. A stub in place of
  its extension module says that no extension is there, which torchaudio itself provides for.
- lpips 0.1.4 calls torchvision with an argument that is deprecated: see `quiet_lpips`.
- compressai imports torch_geometric, which compiles classes in a deprecated way when imported:
  see `import_compressai`.
"""

import ctypes
import functools
import importlib.machinery
import importlib.util
import logging
import sys
import threading
import types
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

__all__ = ["import_compressai", "prepare", "quiet_lpips"]

logger = logging.getLogger(__name__)

_TORCHVISION_OPERATORS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)

_lock = threading.Lock()
# The operators exist as long as this object does.
_operators: list[Any] = []


def prepare() -> None:
    """Make torchvision, torchaudio, transformers, lpips and encodec importable.

    Call it before importing any of them. It imports torch, may be called any number of times
    and from any thread, and changes nothing where the installed builds fit each other.
    """
    with _lock:
        if sys.platform != "linux":  # only the Linux wheels on PyPI link CUDA
            return
        _prepare_torchvision()
        _prepare_torchaudio()


def import_compressai() -> None:
    """Import compressai, silencing what its import says; after this its modules import quietly."""
    prepare()
    if "compressai" in sys.modules:
        return
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r".*torch\.jit", category=DeprecationWarning)
        import compressai  # noqa: F401


@contextmanager
def quiet_lpips() -> Iterator[None]:
    """Silence what building an `lpips.LPIPS` says about torchvision's old `pretrained=`."""
    with warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", message=r"The parameter 'pretrained' is deprecated", category=UserWarning
        )
        warnings.filterwarnings(
            "ignore", message=r"Arguments other than a weight enum", category=UserWarning
        )
        yield


def _prepare_torchvision() -> None:
    """Declare torchvision's two operators if its library cannot declare them."""
    if _operators or "torchvision" in sys.modules:
        return
    libraries = _libraries("torchvision", ".", ("_C",))
    if not libraries or _all_load(libraries):
        return
    import torch

    # A fragment, so that a library of the same namespace can still be registered later.
    library: Any = torch.library.Library  # Any: torch leaves it untyped
    fragment = library("torchvision", "FRAGMENT")
    for operator in _TORCHVISION_OPERATORS:
        fragment.define(operator)
    _operators.append(fragment)
    logger.debug("torchvision's C++ operators cannot load beside this torch: declared nms, qnms")


def _prepare_torchaudio() -> None:
    """Put a stub in the place of torchaudio's extension module if its library cannot load."""
    if "torchaudio" in sys.modules or "torchaudio._extension" in sys.modules:
        return
    libraries = _libraries("torchaudio", "lib", ("libtorchaudio", "_torchaudio"))
    if not libraries or _all_load(libraries):
        return
    name = "torchaudio._extension"
    stub = types.ModuleType(name, "Stands in for the extension, which cannot load here.")
    stub.__spec__ = importlib.machinery.ModuleSpec(name, loader=None)
    flags = ("_IS_TORCHAUDIO_EXT_AVAILABLE", "_IS_ALIGN_AVAILABLE", "_IS_RIR_AVAILABLE")
    vars(stub).update(dict.fromkeys(flags, False))
    vars(stub).update(fail_if_no_align=_unavailable, fail_if_no_rir=_unavailable)
    sys.modules[name] = stub
    logger.debug("torchaudio's C++ extension cannot load beside this torch: stubbed it")


def _unavailable(function: Callable[..., Any]) -> Callable[..., NoReturn]:
    """Stand in for a torchaudio function that needs the extension."""

    @functools.wraps(function)
    def fail(*_args: Any, **_kwargs: Any) -> NoReturn:
        raise RuntimeError(
            f"torchaudio's {function.__name__} needs its C++ extension, which cannot load beside "
            f"the installed torch; install the torchaudio build that matches it"
        )

    return fail


def _libraries(package: str, folder: str, stems: tuple[str, ...]) -> list[Path]:
    """The shared libraries of an installed package, which is not imported for this."""
    spec = importlib.util.find_spec(package)
    roots = (spec.submodule_search_locations or []) if spec is not None else []
    return [
        path
        for root in roots
        for stem in stems
        for path in sorted(Path(root, folder).glob(f"{stem}*.so"))
        if path.name.split(".")[0] == stem
    ]


def _all_load(libraries: list[Path]) -> bool:
    """Whether the dynamic linker takes them; a second load by their own package is free."""
    import torch  # noqa: F401  (brings the libraries that these link)

    try:
        for path in libraries:
            ctypes.CDLL(str(path))
    except OSError as exc:
        logger.debug("%s", exc)
        return False
    return True
