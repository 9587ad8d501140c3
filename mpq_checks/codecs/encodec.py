"""EnCodec (Défossez et al., 2022) through the encodec package."""

import struct
from dataclasses import dataclass
from typing import Literal

import numpy as np

from mpq_checks.assets import asset_sha256
from mpq_checks.codecs.checks import require_audio
from mpq_checks.codecs.coded_audio import require_mono_or_stereo
from mpq_checks.codecs.encodec_codes import (
    MAX_CODES_A_BYTE,
    Shape,
    coded,
    pack_codes,
    packed_size,
    uncoded,
    unpack_codes,
)
from mpq_checks.codecs.encodec_models import (
    MODELS,
    ModelName,
    encodec_version,
    load_model,
    weights_sha256,
)
from mpq_checks.codecs.encodec_tracks import (
    channels_of,
    decode_tracks,
    encode_tracks,
    length_at,
    num_frames,
    segment_lengths,
    tracks_of,
)
from mpq_checks.codecs.resampling import fit_length, resample, soxr_version
from mpq_checks.codecs.stream import pack, unpack
from mpq_checks.errors import CodecSettingError, DecodingError
from mpq_checks.signals import Audio

__all__ = ["Encodec"]

_MAX_SAMPLE_RATE = 768_000
_ENTROPY_CODED = 1
_SIDE = 2
_LEVEL = struct.Struct("<f")
_TAG_BITS = 14


@dataclass(frozen=True)
class Encodec:
    """EnCodec at a bandwidth in kbps, which mono and stereo alike have in all.

    Models:
        24khz: the official causal model, 24 kHz, one channel; 1.5, 3, 6, 12 or 24 kbps. Stereo is
            coded as two channels of half the bandwidth each, from 3 kbps on.
        48khz: the official model at 48 kHz, two channels, in segments of 1 s that overlap by 1%
            and are brought to one level; 3, 6, 12 or 24 kbps. Mono is coded as two equal channels
            and decoded to their mean.
        compact: the model that ships here, 16 kHz (docs/reference/models.md); 1.5, 3 or 6 kbps.
            Stereo is the mean of both channels and half their difference, which gets a sixth of the
            bits (a third at 1.5 kbps), or none where the channels are equal.

    Signals are resampled to the model's rate and back (soxr, high quality). The codes are packed
    at 10 bits each, as the paper counts them. `entropy_coded` codes them by their probability: by
    the official language model, or by how often the compact model's codes occurred in training;
    where that would be longer, they are packed all the same. The header of 15 to 20 bytes has the
    original's rate, channels and length, the settings, a tag of the weights and a checksum; the
    level of a segment or channel takes 4 bytes more. Networks run on one thread of the CPU, so
    that the bytes do not depend on their number.

    Raises:
        CodecSettingError: a model or a bandwidth that does not exist.
    """

    bandwidth_kbps: float = 6.0
    model: ModelName = "24khz"
    entropy_coded: bool = False

    def __post_init__(self) -> None:
        """Refuse settings that the models do not have."""
        if self.model not in MODELS:
            raise CodecSettingError(
                f"EnCodec model is {self.model!r}; there are {', '.join(MODELS)}"
            )
        legal = MODELS[self.model].codebooks
        if isinstance(self.bandwidth_kbps, bool) or self.bandwidth_kbps not in legal:
            raise CodecSettingError(
                f"EnCodec bandwidth is {self.bandwidth_kbps!r}; the model {self.model} has "
                f"{', '.join(f'{each:g}' for each in legal)} kbps"
            )
        if not isinstance(self.entropy_coded, bool):
            raise CodecSettingError(
                f"EnCodec entropy_coded is {self.entropy_coded!r}; it is True or False"
            )

    @property
    def name(self) -> str:
        """`encodec-24khz-6kbps`, with `-entropy` where the codes are entropy-coded."""
        suffix = "-entropy" if self.entropy_coded else ""
        return f"encodec-{self.model}-{self.bandwidth_kbps:g}kbps{suffix}"

    @property
    def modality(self) -> Literal["audio"]:
        """Audio."""
        return "audio"

    @property
    def nominal_rate(self) -> None:
        """The bytes are counted."""
        return

    def identity(self) -> dict[str, str]:
        """Settings, weights and library versions.

        Raises:
            AssetMissingError: an official checkpoint is not here: its whole hash is not known.
        """
        found = {
            "codec": "encodec",
            "model": self.model,
            "bandwidth_kbps": f"{self.bandwidth_kbps:g}",
            "entropy_coded": str(self.entropy_coded),
            "weights_sha256": weights_sha256(self.model),
            "library": encodec_version(),
            "resampler": soxr_version(),
        }
        language = self._language_model()
        if language:
            found["language_model_sha256"] = asset_sha256(language)
        return found

    def assets(self) -> tuple[str, ...]:
        """The official checkpoints; the compact model ships."""
        return tuple(filter(None, (MODELS[self.model].asset, self._language_model())))

    def encode(self, signal: Audio, /) -> bytes:
        """Header, levels and codes.

        Raises:
            CodecSettingError: more than 2 channels, a rate beyond 768 kHz, or stereo at the
                lowest bandwidth of the model 24khz.
            SignalError: not audio.
            AssetError: an official checkpoint that cannot be had.
        """
        audio = require_audio(signal, self.name)
        require_mono_or_stereo(audio, self.name)
        if audio.sample_rate > _MAX_SAMPLE_RATE:
            raise CodecSettingError(
                f"{self.name} takes up to {_MAX_SAMPLE_RATE} Hz, the signal has "
                f"{audio.sample_rate}; resample it first"
            )
        spec, flags = MODELS[self.model], 0
        length = length_at(spec, audio.num_samples, audio.sample_rate)
        resampled = resample(audio.samples, audio.sample_rate, spec.sample_rate)
        waves = tracks_of(spec, fit_length(resampled, length))
        if spec.side_codebooks and len(waves) == 2:
            if waves[1].any():
                flags |= _SIDE
            else:
                waves = waves[:1]
        counts = self._codebooks(self.bandwidth_kbps, audio.num_channels, bool(flags))
        scales, stretches = encode_tracks(load_model(self.model), waves, counts)
        payload = pack_codes(stretches)
        if self.entropy_coded:
            shorter = coded(self.model, stretches)
            if len(shorter) < len(payload):
                payload, flags = shorter, flags | _ENTROPY_CODED
        bandwidth = list(spec.codebooks).index(self.bandwidth_kbps)
        header = (
            flags | bandwidth << 2,
            _tag(self.model),
            audio.sample_rate,
            audio.num_channels,
            audio.num_samples,
        )
        return pack(spec.magic, header, b"".join(map(_LEVEL.pack, scales)) + payload)

    def decode(self, data: bytes, /) -> Audio:
        """Audio of the original form; a stream of another bandwidth of the model decodes too.

        Raises:
            DecodingError: a damaged or foreign stream, or one of other weights.
            AssetError: an official checkpoint that cannot be had.
        """
        spec = MODELS[self.model]
        stated, body = self._header(data)
        frames = [num_frames(spec, each) for each in segment_lengths(spec, stated.model_length)]
        shapes = [Shape(count, each) for count in stated.codebooks for each in frames]
        levels_size = _LEVEL.size * len(shapes) if spec.normalised else 0
        levels, payload = body[:levels_size], body[levels_size:]
        if len(levels) < levels_size or not (
            stated.by_entropy or len(payload) == packed_size(shapes)
        ):
            raise DecodingError(
                f"{self.name}: {len(body)} bytes of content where the header implies "
                f"{levels_size + packed_size(shapes)}"
            )
        if stated.tag != _tag(self.model):
            raise DecodingError(
                f"{self.name}: the stream was made with other weights than are here; "
                f"decode it with those"
            )
        if stated.by_entropy:
            stretches = uncoded(self.model, payload, shapes, self.name)
        else:
            stretches = unpack_codes(payload, shapes)
        scales = [each for (each,) in _LEVEL.iter_unpack(levels)]
        if not np.isfinite(scales).all():
            raise DecodingError(f"{self.name}: a level in the stream is not finite")
        network = load_model(self.model)
        waves = decode_tracks(network, scales, stretches, len(stated.codebooks))
        samples = channels_of(spec, waves, stated.channels)
        if not np.isfinite(samples).all():
            raise DecodingError(f"{self.name}: the decoded sound is not finite")
        restored = resample(samples, spec.sample_rate, stated.rate)
        return Audio(fit_length(restored, stated.length), stated.rate)

    def _header(self, data: bytes) -> tuple["_Header", bytes]:
        """What the header states, and the content; refused if that cannot hold so many codes."""
        spec = MODELS[self.model]
        (setting, tag, rate, channels, length), body = unpack(spec.magic, 5, data, self.name)
        bandwidths, side = list(spec.codebooks), bool(setting & _SIDE)
        if (
            setting >> 2 >= len(bandwidths)
            or not (length and channels in (1, 2) and 1 <= rate <= _MAX_SAMPLE_RATE)
            or (side and not (spec.side_codebooks and channels == 2))
        ):
            raise DecodingError(
                f"{self.name}: the header states {channels} channels of {length} samples at "
                f"{rate} Hz with setting {setting}"
            )
        try:
            codebooks = self._codebooks(bandwidths[setting >> 2], channels, side)
        except CodecSettingError as exc:
            raise DecodingError(f"{self.name}: the header is damaged: {exc}") from exc
        model_length = length_at(spec, length, rate)
        stated = _Header(
            codebooks, bool(setting & _ENTROPY_CODED), tag, rate, channels, length, model_length
        )
        least = Shape(sum(codebooks), num_frames(spec, model_length))
        if (
            least.size > MAX_CODES_A_BYTE * len(body)
            if stated.by_entropy
            else packed_size([least]) > len(body)
        ):
            raise DecodingError(
                f"{self.name}: {len(body)} bytes of content cannot hold the {least.size} codes "
                f"that the header implies"
            )
        return stated, body

    def _language_model(self) -> str:
        asset = MODELS[self.model].asset
        return f"{asset}-lm" if asset and self.entropy_coded else ""

    def _codebooks(self, bandwidth: float, channels: int, side: bool) -> tuple[int, ...]:
        """Codebooks of each track."""
        spec = MODELS[self.model]
        count = spec.codebooks[bandwidth]
        if side and spec.side_codebooks:
            return count - spec.side_codebooks[bandwidth], spec.side_codebooks[bandwidth]
        if self.model != "24khz" or channels == 1:
            return (count,)
        if count // 2 not in spec.codebooks.values():
            raise CodecSettingError(
                f"{self.name}: the model 24khz codes two channels at half the bandwidth each and "
                f"has no {bandwidth / 2:g} kbps; take 3 kbps or more for stereo"
            )
        return count // 2, count // 2


@dataclass(frozen=True)
class _Header:
    """What a stream states; lengths in samples."""

    codebooks: tuple[int, ...]
    by_entropy: bool
    tag: int
    rate: int
    channels: int
    length: int
    model_length: int


def _tag(model: ModelName) -> int:
    """Enough of the weights' hash to tell other weights."""
    return int(weights_sha256(model)[:4], 16) & ((1 << _TAG_BITS) - 1)
