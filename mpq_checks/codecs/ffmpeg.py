"""Running the ffmpeg that comes with imageio-ffmpeg, through pydub.

One process encodes, one decodes. ffmpeg is fed 16-bit PCM (samples beyond full scale clip there)
and writes to a file, not to a pipe: an MP3 written to a pipe loses the header that states its
delay. Decoding gives 16-bit PCM too.
"""

import io
import struct
import warnings
import wave
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from mpq_checks.errors import CodecError, DecodingError, EncodingError

__all__ = ["decode_pcm", "encode_pcm", "ffmpeg_version"]

_CPU_SECONDS = 600
_QUIET = ("-hide_banner", "-nostdin", "-loglevel", "error", "-timelimit", str(_CPU_SECONDS))
# Without the bitexact flags ffmpeg draws serial numbers and writes its version.
_REPEATABLE = ("-map_metadata", "-1", "-fflags", "+bitexact", "-flags:a", "+bitexact")
_LOG_LINES = 4


def encode_pcm(
    samples: npt.NDArray[np.float32],
    sample_rate: int,
    *,
    codec: str,
    container: str,
    bitrate_kbps: int,
    options: tuple[str, ...] = (),
) -> bytes:
    """Encode channels x samples in -1..1, rounded to 16 bits. Raises EncodingError."""
    pcm = np.clip(np.rint(samples * 32768.0), -32768, 32767).astype("<i2")
    segment = _segment_type()(
        data=pcm.T.tobytes(), sample_width=2, frame_rate=sample_rate, channels=samples.shape[0]
    )
    out = io.BytesIO()
    try:
        segment.export(
            out,
            format=container,
            codec=codec,
            bitrate=f"{bitrate_kbps}k",
            parameters=[*_QUIET, *_REPEATABLE, "-threads", "1", *options],
        )
    except _pydub_failures() as exc:
        raise EncodingError(f"ffmpeg could not encode with {codec}: {_log_end(exc)}") from exc
    return out.getvalue()


def decode_pcm(data: bytes, *, codec: str, container: str) -> tuple[npt.NDArray[np.float32], int]:
    """Decode to float32 channels x samples and the sample rate. Raises DecodingError."""
    try:
        segment = _segment_type().from_file_using_temporary_files(
            io.BytesIO(data), format=container, codec=codec, parameters=list(_QUIET)
        )
    except _pydub_failures() as exc:
        raise DecodingError(f"ffmpeg could not decode with {codec}: {_log_end(exc)}") from exc
    pcm = np.frombuffer(segment.raw_data, "<i2").reshape(-1, segment.channels)
    return (pcm.T / np.float32(32768.0)).astype(np.float32), int(segment.frame_rate)


def ffmpeg_version() -> str:
    """Version of the ffmpeg in use. Raises CodecError where there is none."""
    from importlib.metadata import version

    return f"ffmpeg {_ffmpeg()[1]}, pydub {version('pydub')}"


@cache
def _ffmpeg() -> tuple[str, str]:
    import imageio_ffmpeg  # type: ignore[import-untyped]

    try:
        return imageio_ffmpeg.get_ffmpeg_exe(), imageio_ffmpeg.get_ffmpeg_version()
    except (RuntimeError, OSError) as exc:
        raise CodecError(
            f"no ffmpeg was found: {exc}. Install imageio-ffmpeg again, or name a program in "
            f"IMAGEIO_FFMPEG_EXE."
        ) from exc


# Any: pydub has no type information.
@cache
def _segment_type() -> Any:
    """pydub's AudioSegment, bound to our ffmpeg without touching pydub's own setting."""
    with warnings.catch_warnings():
        # On import pydub warns that no system ffmpeg is there, of audioop's removal, and of its
        # own escape sequences.
        warnings.simplefilter("ignore")
        from pydub import AudioSegment  # type: ignore[import-untyped]

    return type("Segment", (AudioSegment,), {"converter": _ffmpeg()[0]})


def _pydub_failures() -> tuple[type[Exception], ...]:
    from pydub.exceptions import PydubException  # type: ignore[import-untyped]

    # Beyond its own errors: what reading a WAV file that ffmpeg did not finish can raise.
    return (PydubException, OSError, EOFError, ValueError, IndexError, struct.error, wave.Error)


def _log_end(exc: Exception) -> str:
    lines = [line.strip() for line in str(exc).splitlines() if line.strip()]
    return " | ".join(lines[-_LOG_LINES:])
