"""MP3, by LAME through ffmpeg."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Literal

from mpq_checks.codecs.checks import require_audio, require_integer
from mpq_checks.codecs.coded_audio import pack_audio, require_mono_or_stereo, unpack_audio
from mpq_checks.codecs.ffmpeg import decode_pcm, encode_pcm, ffmpeg_version
from mpq_checks.codecs.resampling import resample, soxr_version
from mpq_checks.errors import CodecSettingError
from mpq_checks.signals import Audio

__all__ = ["Mp3", "lowest_kbps"]

_MAGIC = b"m1"
_MPEG_1 = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_MPEG_2 = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
# The table of MPEG-2.5 goes on to 160 like that of MPEG-2, but LAME silently stops at 64.
_MPEG_25 = (8, 16, 24, 32, 40, 48, 56, 64)
_LEGAL_KBPS = {
    8_000: _MPEG_25,
    11_025: _MPEG_25,
    12_000: _MPEG_25,
    16_000: _MPEG_2,
    22_050: _MPEG_2,
    24_000: _MPEG_2,
    32_000: _MPEG_1,
    44_100: _MPEG_1,
    48_000: _MPEG_1,
}


@dataclass(frozen=True)
class Mp3:
    """MP3 at a constant bit rate, mono or (joint) stereo.

    Without `sample_rate` signals are coded at their own rate, which must be one that MP3 has at
    this bit rate; with it they are resampled to it and back (soxr, high quality). The stream is an
    MP3 file with LAME's header, which states the delay, behind 10 to 13 bytes of our own. Decoding
    gives the exact length with no lag. Samples beyond full scale clip.

    Raises:
        CodecSettingError: a bit rate or sample rate that MP3 does not have, or not together.
    """

    bitrate_kbps: int = 8
    sample_rate: int | None = None

    def __post_init__(self) -> None:
        """Refuse settings that the encoder would change."""
        require_integer("MP3 bit rate in kbps", self.bitrate_kbps, 8, 320)
        if self.sample_rate is not None:
            require_integer("MP3 sample rate in Hz", self.sample_rate, 8_000, 48_000)
            _require_legal(self.bitrate_kbps, self.sample_rate)
        elif not _sample_rates(self.bitrate_kbps):
            every = sorted({*_MPEG_1, *_MPEG_2})
            raise CodecSettingError(
                f"MP3 has no bit rate of {self.bitrate_kbps!r} kbps; it has {_listed(every)}"
            )

    @property
    def name(self) -> str:
        """`mp3-8kbps`, or `mp3-8kbps-24khz` with a sample rate."""
        suffix = "" if self.sample_rate is None else f"-{self.sample_rate / 1000:g}khz"
        return f"mp3-{self.bitrate_kbps}kbps{suffix}"

    @property
    def modality(self) -> Literal["audio"]:
        """Audio."""
        return "audio"

    @property
    def nominal_rate(self) -> None:
        """The bytes are counted."""
        return

    def identity(self) -> dict[str, str]:
        """Settings and library versions. Raises CodecError without an ffmpeg."""
        identity = {
            "codec": "mp3",
            "bitrate_kbps": str(self.bitrate_kbps),
            "sample_rate": str(self.sample_rate or "as the signal"),
            "library": ffmpeg_version(),
        }
        if self.sample_rate is not None:
            identity["resampler"] = soxr_version()
        return identity

    def assets(self) -> tuple[str, ...]:
        """None needed."""
        return ()

    def encode(self, signal: Audio, /) -> bytes:
        """Header and MP3 file.

        Raises:
            CodecSettingError: the signal's sample rate does not go with the bit rate, or there are
                more than 2 channels.
            SignalError: not audio.
            EncodingError: the encoder failed.
        """
        audio = require_audio(signal, self.name)
        require_mono_or_stereo(audio, self.name)
        rate = self.sample_rate or audio.sample_rate
        _require_legal(self.bitrate_kbps, rate)
        payload = encode_pcm(
            resample(audio.samples, audio.sample_rate, rate),
            rate,
            codec="libmp3lame",
            container="mp3",
            bitrate_kbps=self.bitrate_kbps,
            options=("-id3v2_version", "0"),
        )
        return pack_audio(_MAGIC, audio, payload)

    def decode(self, data: bytes, /) -> Audio:
        """Audio of the original form. Raises DecodingError."""
        decoder = partial(decode_pcm, codec="mp3float", container="mp3")
        return unpack_audio(_MAGIC, data, self.name, decoder)


def lowest_kbps(bitrate_kbps: int, sample_rate: int) -> int:
    """The lowest bit rate at this sample rate that is not under `bitrate_kbps`.

    Raises:
        CodecSettingError: a sample rate that MP3 does not have, or no bit rate so high.
    """
    legal = _LEGAL_KBPS.get(sample_rate, ())
    found = [kbps for kbps in legal if kbps >= bitrate_kbps]
    if not found:
        _require_legal(bitrate_kbps, sample_rate)
    return min(found)


def _require_legal(bitrate_kbps: int, sample_rate: int) -> None:
    legal = _LEGAL_KBPS.get(sample_rate)
    if legal is None:
        raise CodecSettingError(
            f"MP3 has no sample rate of {sample_rate!r} Hz; it has {_listed(_LEGAL_KBPS)}. "
            f"Set sample_rate to one of them to have signals resampled."
        )
    if bitrate_kbps not in legal:
        having = _sample_rates(bitrate_kbps)
        where = f"exists at {_listed(having)} Hz" if having else "exists at no sample rate"
        raise CodecSettingError(
            f"MP3 has no {bitrate_kbps!r} kbps at {sample_rate} Hz; it has {_listed(legal)} kbps "
            f"there, and {bitrate_kbps!r} kbps {where} (set sample_rate to have signals resampled)"
        )


def _sample_rates(bitrate_kbps: int) -> list[int]:
    return [rate for rate, legal in _LEGAL_KBPS.items() if bitrate_kbps in legal]


def _listed(values: Iterable[int]) -> str:
    return ", ".join(map(str, values))
