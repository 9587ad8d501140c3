"""What a codec is."""

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

from mpq_checks.signals import Modality

__all__ = ["BatchCodec", "Codec"]


@runtime_checkable
class Codec(Protocol):
    """A lossy codec: a frozen dataclass whose fields are its settings.

    `decode(encode(signal))` has the shape, sample rate and alignment of `signal`. The bytes hold
    all that decoding needs. The same signal gives the same bytes.
    """

    @property
    def name(self) -> str:
        """Name in test ids and file names, with the setting: `jpeg-q5`."""

    @property
    def modality(self) -> Modality:
        """The kind of signal it codes."""

    @property
    def nominal_rate(self) -> float | None:
        """Bits per pixel or sample to report in place of a count; None: count the bytes."""

    def identity(self) -> dict[str, str]:
        """Settings, weights' SHA-256, library and versions: all that the bytes depend on."""

    def assets(self) -> tuple[str, ...]:
        """Names of the assets it needs."""

    # Any: a codec takes and gives the one signal type of its modality.
    def encode(self, signal: Any, /) -> bytes:
        """Compress. Raises SignalError, CodecSettingError or EncodingError."""

    def decode(self, data: bytes, /) -> Any:
        """Rebuild the signal from the bytes alone. Raises DecodingError."""


@runtime_checkable
class BatchCodec(Codec, Protocol):
    """A codec that codes several signals in less time than one after another.

    What it gives for a signal is what it gives for it alone, whatever is beside it.
    """

    def encode_batch(self, signals: Sequence[Any], /) -> list[bytes]:
        """The bytes that `encode` gives for each signal. Raises as `encode` does."""

    def decode_batch(self, data: Sequence[bytes], /) -> list[Any]:
        """The signal that `decode` gives for each stream. Raises DecodingError."""
