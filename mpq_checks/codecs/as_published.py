"""MP3 and Opus as the code of "Machine Perceptual Quality" (Jacobellis et al., 2024) ran them.

Both are wrong as codecs of a gate, and known to be: docs/explanation/protocol.md. They exist to
check the paper's tables.
"""

from dataclasses import dataclass
from typing import Literal

from mpq_checks.codecs.checks import require_audio, require_integer
from mpq_checks.codecs.coded_audio import pack_audio, require_mono_or_stereo
from mpq_checks.codecs.ffmpeg import decode_pcm, encode_pcm, ffmpeg_version
from mpq_checks.codecs.mp3 import lowest_kbps
from mpq_checks.codecs.resampling import fit_length
from mpq_checks.codecs.stream import unpack
from mpq_checks.errors import DecodingError
from mpq_checks.signals import Audio

__all__ = ["PublishedMp3", "PublishedOpus"]

_MP3_MAGIC = b"mp"
_OPUS_MAGIC = b"op"
_CUT = 1106
_OPUS_RATE = 48_000
_SLACK_SECONDS = 0.2


@dataclass(frozen=True)
class PublishedMp3:
    """MP3 asked for at a bit rate that its format may lack, and aligned by a constant.

    The bit rate becomes the lowest that MP3 has at the signal's own sample rate and that is not
    lower, as the encoder clamps it: 32 kbps for 8 at 32, 44.1 and 48 kHz. The stream does not
    state its delay; decoding cuts 1,106 samples off the front, whatever the delay is, and pads or
    cuts the end. The paper's code ran torchaudio's decoder of its day; after the one here the
    delay is 1,105 samples, so that signals come one sample early.

    Raises:
        CodecSettingError: a bit rate beyond what MP3 has anywhere.
    """

    bitrate_kbps: int = 8

    def __post_init__(self) -> None:
        """Refuse what no encoder could clamp."""
        require_integer("MP3 bit rate in kbps", self.bitrate_kbps, 8, 160)

    @property
    def name(self) -> str:
        """`mp3-8kbps`: what was asked for."""
        return f"mp3-{self.bitrate_kbps}kbps"

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
            "codec": "mp3",
            "protocol": f"as published: bit rate clamped, {_CUT} samples cut off the front",
            "bitrate_kbps": str(self.bitrate_kbps),
            "library": ffmpeg_version(),
        }

    def assets(self) -> tuple[str, ...]:
        """None needed."""
        return ()

    def encode(self, signal: Audio, /) -> bytes:
        """Header and MP3 file without LAME's header.

        Raises:
            CodecSettingError: a sample rate that MP3 does not have, or more than 2 channels.
            SignalError: not audio.
            EncodingError: the encoder failed.
        """
        audio = require_audio(signal, self.name)
        require_mono_or_stereo(audio, self.name)
        payload = encode_pcm(
            audio.samples,
            audio.sample_rate,
            codec="libmp3lame",
            container="mp3",
            bitrate_kbps=lowest_kbps(self.bitrate_kbps, audio.sample_rate),
            options=("-id3v2_version", "0", "-write_xing", "0"),
        )
        return pack_audio(_MP3_MAGIC, audio, payload)

    def decode(self, data: bytes, /) -> Audio:
        """Audio of the original form. Raises DecodingError."""
        return _decoded(_MP3_MAGIC, data, self.name, codec="mp3float", container="mp3", cut=_CUT)


@dataclass(frozen=True)
class PublishedOpus:
    """Opus of samples that are taken for 48 kHz, whatever their rate is.

    Music at 44.1 kHz is thus coded as if it were 9% faster and higher, at 8% fewer bits for its
    true length. Decoding gives the samples back with their true rate. At 48 kHz it is Opus.

    Raises:
        CodecSettingError: a bit rate outside 6..510.
    """

    bitrate_kbps: int = 6

    def __post_init__(self) -> None:
        """Refuse settings that the format does not have."""
        require_integer("Opus bit rate in kbps", self.bitrate_kbps, 6, 510)

    @property
    def name(self) -> str:
        """`opus-6kbps`."""
        return f"opus-{self.bitrate_kbps}kbps"

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
            "protocol": "as published: any sample rate taken for 48 kHz",
            "bitrate_kbps": str(self.bitrate_kbps),
            "complexity": "10",
            "library": ffmpeg_version(),
        }

    def assets(self) -> tuple[str, ...]:
        """None needed."""
        return ()

    def encode(self, signal: Audio, /) -> bytes:
        """Header and Ogg Opus file.

        Raises:
            CodecSettingError: more than 2 channels.
            SignalError: not audio.
            EncodingError: the encoder failed.
        """
        audio = require_audio(signal, self.name)
        require_mono_or_stereo(audio, self.name)
        payload = encode_pcm(
            audio.samples,
            _OPUS_RATE,
            codec="libopus",
            container="opus",
            bitrate_kbps=self.bitrate_kbps,
            options=("-compression_level", "10"),
        )
        return pack_audio(_OPUS_MAGIC, audio, payload)

    def decode(self, data: bytes, /) -> Audio:
        """Audio of the original form. Raises DecodingError."""
        return _decoded(_OPUS_MAGIC, data, self.name, codec="libopus", container="ogg", cut=0)


def _decoded(
    magic: bytes, data: bytes, name: str, *, codec: str, container: str, cut: int
) -> Audio:
    """The decoder's samples without the first `cut`, at the length and rate that are stated."""
    (sample_rate, channels, length), payload = unpack(magic, 3, data, name)
    samples, found_rate = decode_pcm(payload, codec=codec, container=container)
    surplus = samples.shape[1] - cut - length
    if not length or samples.shape[0] != channels or abs(surplus) > _SLACK_SECONDS * found_rate:
        raise DecodingError(
            f"{name}: {samples.shape[0]} channels of {samples.shape[1]} samples where the header "
            f"states {channels} of {length}"
        )
    return Audio(fit_length(samples[:, cut:], length), sample_rate)
