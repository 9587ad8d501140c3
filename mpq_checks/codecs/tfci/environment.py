"""The virtual environment that runs the metagraphs, and how it is made.

tensorflow-compression is pinned to TensorFlow 2.14 and to Python 3.11 or older, so that it cannot
be installed beside this project's dependencies. `mpq setup-tfci` makes an environment for it in the
cache folder; MPQ_TFCI_PYTHON names the interpreter of another one.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from functools import lru_cache
from pathlib import Path

from mpq_checks.assets.fetching import is_offline
from mpq_checks.assets.storage import cache_dir, locked, storage_errors
from mpq_checks.errors import CodecError

__all__ = ["REQUIREMENTS", "VARIABLE", "interpreter", "set_up", "versions"]

VARIABLE = "MPQ_TFCI_PYTHON"

REQUIREMENTS = (
    "absl-py==2.5.1",
    "astunparse==1.6.3",
    "attrs==26.1.0",
    "certifi==2026.10.19.post1",
    "charset-normalizer==3.5.2",
    "cloudpickle==3.1.3",
    "decorator==5.3.1",
    "dm-tree==0.1.10",
    "flatbuffers==25.12.19",
    "gast==0.7.0",
    "google-pasta==0.2.0",
    "h5py==3.16.0",
    "idna==3.20",
    "keras==2.14.0",
    "ml-dtypes==0.2.0",
    "numpy==1.26.4",
    "opt_einsum==3.4.0",
    "packaging==26.3",
    "protobuf==4.25.9",
    "requests==2.34.2",
    "scipy==1.11.4",
    "setuptools==79.0.1",
    "six==1.17.0",
    "tensorflow-compression==2.14.1",
    "tensorflow-cpu==2.14.1",
    "tensorflow-estimator==2.14.0",
    "tensorflow-probability==0.22.1",
    "termcolor==3.3.0",
    "typing_extensions==4.16.0",
    "urllib3==2.8.0",
    "wrapt==1.14.2",
)
"""All that it holds. They are installed without further dependencies: tensorflow-compression asks
for `tensorflow`, which brings CUDA and lies in the same folder as `tensorflow-cpu`; what only
TensorBoard, gRPC and the cloud file systems need is left out."""

_PYTHONS = ("python3.11", "python3.10")
_READY = "mpq-ready.txt"
_VERSIONS = (
    "from importlib.metadata import version as v; "
    "print(f\"tensorflow-compression {v('tensorflow-compression')}, \""
    "f\"tensorflow-cpu {v('tensorflow-cpu')}\")"
)
_MEND = (
    f"Run `mpq setup-tfci`, which makes an environment with tensorflow-compression (1.3 GB, needs "
    f"Python 3.10 or 3.11), or name the Python of one in {VARIABLE}."
)
_IMPORT_SECONDS = 300
_INSTALL_SECONDS = 3600


def interpreter() -> Path:
    """The Python that has tensorflow-compression. Raises CodecError where there is none."""
    named = os.environ.get(VARIABLE)
    if named:
        found = shutil.which(named)
        if found is None:
            raise CodecError(f"{VARIABLE} is {named!r}, which is no program. {_MEND}")
        return Path(found).absolute()
    ready = _folder() / _READY
    try:
        made_with = ready.read_text("utf-8")
    except OSError:
        made_with = ""
    if made_with != _digest():
        state = "was made for other versions" if made_with else "is not there"
        raise CodecError(f"the tfci environment {_folder()} {state}. {_MEND}")
    return _python(_folder())


@lru_cache(maxsize=8)
def versions(python: Path) -> str:
    """Versions of what the interpreter has. Raises CodecError where it has it not."""
    done = _run([str(python), "-I", "-c", _VERSIONS], "cannot be asked", _IMPORT_SECONDS)
    return done.strip()


def set_up(python: str | None = None) -> Path:
    """Make the environment in the cache folder, unless it is there already; give its Python.

    Args:
        python: a Python 3.10 or 3.11; by default this one, or the first of python3.11 and
            python3.10 that is on the path.

    Raises:
        CodecError: no such Python, downloads are off, or pip failed; the message has its last
            lines. What was made so far is not used, and made anew next time.
        AssetStorageError: the cache folder cannot be written.
    """
    base = _base_python(python)
    folder = _folder()
    with locked("tfci-venv"):
        ready = folder / _READY
        with storage_errors():
            if ready.is_file() and ready.read_text("utf-8") == _digest():
                return _python(folder)
            if folder.exists():
                shutil.rmtree(folder)
        if is_offline():
            raise CodecError("the tfci environment cannot be made: downloads are off (MPQ_OFFLINE)")
        make = [base, "-I", "-m", "venv", str(folder)]
        _run(make, "could not make a virtual environment", _INSTALL_SECONDS)
        own = str(_python(folder))
        install = [own, "-I", "-m", "pip", "install", "--no-deps", "--only-binary=:all:"]
        _run([*install, *REQUIREMENTS], "could not install", _INSTALL_SECONDS)
        check = "import tensorflow_compression"
        _run([own, "-I", "-c", check], "cannot import what it installed", _IMPORT_SECONDS)
        with storage_errors():
            ready.write_text(_digest(), "utf-8")
    return _python(folder)


def _folder() -> Path:
    return cache_dir() / "tfci-venv"


def _python(folder: Path) -> Path:
    return folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def _digest() -> str:
    return hashlib.sha256("\n".join(REQUIREMENTS).encode()).hexdigest()


def _base_python(named: str | None) -> str:
    if named is None and (3, 10) <= sys.version_info[:2] <= (3, 11):
        return sys.executable
    found = next(filter(None, map(shutil.which, [named] if named else _PYTHONS)), None)
    if found is None:
        looked_for = named or ", ".join(_PYTHONS)
        raise CodecError(
            f"no Python for the tfci environment: {looked_for} is not there. Install Python 3.11 "
            f"and run `mpq setup-tfci --python PATH`."
        )
    version = _run([found, "-I", "-c", "import sys; print(*sys.version_info[:2])"], "fails", 60)
    if version.split() not in (["3", "10"], ["3", "11"]):
        raise CodecError(
            f"{found} is Python {'.'.join(version.split())}; the pinned versions have "
            f"wheels for 3.10 and 3.11. Run `mpq setup-tfci --python PATH` with one of these."
        )
    return found


def _run(command: list[str], failure: str, seconds: float) -> str:
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as exc:
        raise CodecError(f"{command[0]} {failure}: {exc}. {_MEND}") from exc
    if done.returncode != 0:
        lines = " | ".join(done.stderr.strip().splitlines()[-4:])
        raise CodecError(f"{command[0]} {failure}: {lines or done.returncode}. {_MEND}")
    return done.stdout
