"""What every codec refuses in the same words."""

from typing import Any

from mpq_checks.errors import CodecSettingError, SignalError
from mpq_checks.signals import Audio, Image

__all__ = ["require_audio", "require_image", "require_integer"]


def require_image(signal: Any, codec: str) -> Image:
    """The signal, if it is an image. Raises SignalError."""
    if not isinstance(signal, Image):
        raise SignalError(f"{codec} codes images, not {type(signal).__name__}")
    return signal


def require_audio(signal: Any, codec: str) -> Audio:
    """The signal, if it is audio. Raises SignalError."""
    if not isinstance(signal, Audio):
        raise SignalError(f"{codec} codes audio, not {type(signal).__name__}")
    return signal


def require_integer(field: str, value: Any, low: int, high: int, reason: str = "") -> None:
    """Raise CodecSettingError unless the setting is an integer within low..high."""
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise CodecSettingError(f"{field} is {value!r}; it is an integer {low}..{high}{reason}")
