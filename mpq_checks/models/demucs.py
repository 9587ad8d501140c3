"""Demucs (Défossez, 2021; Rouard et al., 2023): music into drums, bass, other and vocals."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Literal, TypeAlias

from mpq_checks.errors import ModelError
from mpq_checks.models.base import SourceSeparator
from mpq_checks.models.demucs_packages import (
    BAGS,
    local_packages,
    package_module,
    packages_sha256,
    read_bag,
)
from mpq_checks.models.precision import exact_kernels
from mpq_checks.models.stereo import SAMPLE_RATE, like, stereo_44100
from mpq_checks.signals import Audio
from mpq_checks.torch_stack import prepare

__all__ = ["STEMS", "Demucs", "DemucsName"]

DemucsName: TypeAlias = Literal["mdx", "mdx_extra", "hdemucs_mmi", "htdemucs", "htdemucs_ft"]

STEMS = ("drums", "bass", "other", "vocals")
"""What the official models separate, in the order of their output."""

_EPSILON = 1e-8  # as in the package's own separator


@dataclass(frozen=True)
class Demucs:
    """One of the official models, through the demucs package.

    `mdx`, `mdx_extra` and `hdemucs_mmi` are version 3 (hybrid; `mdx` with waveform networks in its
    bag), `htdemucs` and `htdemucs_ft` version 4 (hybrid transformer). `mdx_extra` was trained on
    MUSDB's test tracks too, says its documentation.

    The mixture is brought to mean 0 and deviation 1 (of its mono sum) before, and the stems back
    after, as the package's separator does. Mono is doubled, another sample rate is resampled to
    44,100 Hz and back. The packages come from `MPQ_MODELS_DIR/demucs/<name>`, from the folder that
    MPQ_WEIGHTS_DIR names, or from their official address; they are checked by hash and no code
    in them is run.

    Args:
        name: of the model.
        shifts: separations with the mixture shifted by up to 0.5 s each, which are averaged;
            0: one without a shift. The package's own default is 1.
        seed: of the shifts; each mixture begins with it anew.
        overlap: of the segments that the mixture is cut into, as a share.

    Raises:
        ModelError: another name, or settings out of range.
    """

    name: DemucsName = "htdemucs"
    shifts: int = 0
    seed: int = 0
    overlap: float = 0.25

    def __post_init__(self) -> None:
        """Refuse what does not exist."""
        if self.name not in BAGS:
            raise ModelError(f"no Demucs model {self.name!r}; there are {', '.join(BAGS)}")
        if self.shifts < 0 or not 0 <= self.overlap < 1:
            raise ModelError(
                f"Demucs: shifts {self.shifts} is under 0, or overlap {self.overlap} not in 0..1"
            )

    def identity(self) -> dict[str, str]:
        """Model, SHA-256 of its packages, settings, versions.

        Raises:
            AssetError: a package is not here, or not the pinned one.
            ModelError: the demucs package is not installed.
        """
        try:
            versions = {library: version(library) for library in ("demucs", "torch", "soxr")}
        except PackageNotFoundError:
            package_module("demucs")
            raise
        shifts = f"{self.shifts}, seed {self.seed}" if self.shifts else "0"
        return {
            "architecture": f"Demucs {self.name}",
            "weights_sha256": packages_sha256(self.name),
            "shifts": shifts,
            "overlap": str(self.overlap),
            **versions,
        }

    def assets(self) -> tuple[str, ...]:
        """The official packages; none where the model lies in MPQ_MODELS_DIR."""
        return () if local_packages(self.name) else BAGS[self.name].assets

    def load(self, device: str) -> SourceSeparator:
        """Bring the networks into memory. Raises AssetError or ModelError."""
        prepare()
        networks = read_bag(self.name)
        if networks.samplerate != SAMPLE_RATE:
            raise ModelError(
                f"{self.name} works at {networks.samplerate} Hz, not {SAMPLE_RATE}; take the "
                "official packages"
            )
        try:
            return _Separator(self, networks.to(device), device)
        except (RuntimeError, AssertionError) as exc:
            reason = str(exc).splitlines()[0]
            raise ModelError(f"device {device!r} cannot be used: {reason}") from exc


class _Separator:
    """The networks in memory."""

    def __init__(self, settings: Demucs, networks: Any, device: str) -> None:
        self._settings = settings
        self._networks = networks
        self._device = device

    def separate(self, mixture: Audio) -> dict[str, Audio]:
        """Each stem, with the form of the mixture.

        Raises:
            SignalError: more than two channels.
        """
        import torch

        apply_model = package_module("demucs.apply").apply_model
        wave = torch.from_numpy(stereo_44100(mixture, "Demucs"))
        mono = wave.mean(0)
        mean, deviation = mono.mean(), _deviation(mono) + _EPSILON
        with torch.inference_mode(), exact_kernels(self._device), _seeded(self._settings.seed):
            # The whole track stays on the CPU; segments of it go to the device.
            stems = apply_model(
                self._networks,
                ((wave - mean) / deviation)[None],
                shifts=self._settings.shifts,
                overlap=self._settings.overlap,
                split=True,
                device=self._device,
            )[0]
        samples = (stems * deviation + mean).numpy()
        return {
            stem: like(mixture, samples[place]) for place, stem in enumerate(self._networks.sources)
        }


def _deviation(mono: Any) -> Any:
    """Standard deviation as torch has it (n - 1); 0 of a single sample."""
    return mono.std() if mono.numel() > 1 else mono.new_zeros(())


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """The package draws its shifts from Python's global generator, which is put back."""
    state = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(state)
