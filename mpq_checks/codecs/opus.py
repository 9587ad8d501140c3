"""Opus in Ogg, by libopus through ffmpeg."""

from dataclasses import dataclass
from functools import partial
from typing import Literal

from mpq_checks.codecs.checks import require_audio, require_integer
from mpq_checks.codecs.coded_audio import pack_audio, require_mono_or_stereo, unpack_audio
from mpq_checks.codecs.ffmpeg import decode_pcm, encode_pcm, ffmpeg_version
from mpq_checks.codecs.resampling import resample, soxr_version
from mpq_checks.errors import CodecSettingError
from mpq_checks.signals import Audio

__all__ = ["Opus"]

_MAGIC = b"o1"
_SAMPLE_RATES = (8_000, 12_000, 16_000, 24_000, 48_000)
_MAX_KBPS_A_CHANNEL = 256


@dataclass(frozen=True)
class Opus:
    """Opus at a target bit rate, variable, application `audio`, frames of 20 ms, mono or stereo.

    Signals at another rate than Opus takes (8, 12, 16, 24, 48 kHz) are resampled to 48 kHz (soxr,
    high quality); decoding is at 48 kHz and resampled back. The stream is an Ogg Opus file behind
    10 to 13 bytes of our own. Decoding gives the exact length, with the pre-skip removed. What is
    left of a lag depends on the bandwidth that the encoder chose packet by packet and is no
    constant: within -3..+5 samples at 48 kHz (0.1 ms), 2 at 6 kbps on speech. Samples beyond full
    scale clip.

    Raises:
        CodecSettingError: a bit rate outside 6..510 or a complexity outside 0..10.
    """

    bitrate_kbps: int = 6
    complexity: int = 10

    def __post_init__(self) -> None:
        """Refuse settings that the format does not have."""
        require_integer("Opus bit rate in kbps", self.bitrate_kbps, 6, 510)
        require_integer("Opus complexity", self.complexity, 0, 10)

    @property
    def name(self) -> str:
        """`opus-6kbps`, or `opus-6kbps-c5` with a complexity other than 10."""
        suffix = "" if self.complexity == 10 else f"-c{self.complexity}"
        return f"opus-{self.bitrate_kbps}kbps{suffix}"

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
        return {
            "codec": "opus",
            "bitrate_kbps": str(self.bitrate_kbps),
            "complexity": str(self.complexity),
            "library": ffmpeg_version(),
            "resampler": soxr_version(),
        }

    def assets(self) -> tuple[str, ...]:
        """None needed."""
        return ()

    def encode(self, signal: Audio, /) -> bytes:
        """Header and Ogg Opus file.

        Raises:
            CodecSettingError: more than 2 channels, or more than 256 kbps a channel.
            SignalError: not audio.
            EncodingError: the encoder failed.
        """
        audio = require_audio(signal, self.name)
        require_mono_or_stereo(audio, self.name)
        if self.bitrate_kbps > _MAX_KBPS_A_CHANNEL * audio.num_channels:
            raise CodecSettingError(
                f"Opus has 6..{_MAX_KBPS_A_CHANNEL} kbps a channel, not {self.bitrate_kbps} for "
                f"{audio.num_channels}"
            )
        rate = audio.sample_rate if audio.sample_rate in _SAMPLE_RATES else _SAMPLE_RATES[-1]
        payload = encode_pcm(
            resample(audio.samples, audio.sample_rate, rate),
            rate,
            codec="libopus",
            container="opus",
            bitrate_kbps=self.bitrate_kbps,
            options=("-compression_level", str(self.complexity)),
        )
        return pack_audio(_MAGIC, audio, payload)

    def decode(self, data: bytes, /) -> Audio:
        """Audio of the original form. Raises DecodingError."""
        decoder = partial(decode_pcm, codec="libopus", container="ogg")
        return unpack_audio(_MAGIC, data, self.name, decoder)
