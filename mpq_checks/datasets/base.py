"""What a dataset is."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from mpq_checks.signals import Audio, Modality, Signal

__all__ = ["Dataset", "Label", "Mask", "Sample", "Stems", "Transcript"]

Label = int
"""Index of the true class."""

Transcript = str
"""What was said."""

Mask = npt.NDArray[np.uint8]
"""Class index per pixel, height x width; 255 is not scored."""

Stems = Mapping[str, Audio]
"""The true sources by name, each with the form of the mixture."""

ReferenceT_co = TypeVar("ReferenceT_co", covariant=True)


@dataclass(frozen=True, eq=False)
class Sample(Generic[ReferenceT_co]):
    """One uncompressed signal with what is true of it.

    `content_sha256` is the hash of the stored data that the sample is made from (signal and
    reference), not of decoded floats, so that it is the same on every machine. `cluster` names
    what samples may share (speaker, patient, track); samples without one are independent.
    """

    sample_id: str
    content_sha256: str
    signal: Signal
    reference: ReferenceT_co
    cluster: str | None = None


class Dataset(Protocol[ReferenceT_co]):
    """Samples under stable ids: a frozen dataclass, cheap to create.

    Nothing is read before `sample_ids` or `load` is called. Both raise AssetError or DatasetError.
    """

    @property
    def name(self) -> str:
        """Name in messages."""

    @property
    def modality(self) -> Modality:
        """The kind of signal."""

    def assets(self) -> tuple[str, ...]:
        """Names of the assets it needs."""

    def sample_ids(self) -> tuple[str, ...]:
        """All ids in a fixed order."""

    def load(self, sample_id: str) -> Sample[ReferenceT_co]:
        """Read one sample."""
