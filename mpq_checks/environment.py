"""What the numbers of a run may depend on besides the case itself."""

import os
import platform
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, version

__all__ = ["available_cores", "environment", "library_versions"]

_LIBRARIES = (
    "mpq-checks",
    "torch",
    "torchvision",
    "transformers",
    "numpy",
    "scipy",
    "pillow",
    "lpips",
    "cdpam",
    "compressai",
    "encodec",
    "torchaudio",
    "pydub",
    "imageio-ffmpeg",
    "soundfile",
    "soxr",
    "symusic",
    "jiwer",
    "tiktoken",
)


@cache
def library_versions() -> dict[str, str]:
    """Version of each library that a result may depend on; absent ones are left out."""
    versions = {}
    for name in _LIBRARIES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions


def environment(device: str) -> dict[str, str]:
    """Fingerprint of this process: libraries, Python, device, and torch's CPU type and threads.

    What torch says is left out where nothing has imported torch: then nothing depends on it.
    """
    found = {
        **library_versions(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "device": device,
    }
    torch = sys.modules.get("torch")
    if torch is not None:
        found["cpu_capability"] = torch.backends.cpu.get_cpu_capability()
        found["threads"] = str(torch.get_num_threads())
    return found


def available_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
