"""EnCodec (Défossez et al., 2022) through the encodec package."""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from mpq_checks.assets import asset_sha256
from mpq_checks.codecs.checks import require_audio
from mpq_checks.codecs.coded_audio import require_mono_or_stereo
from mpq_checks.codecs.encodec_codes import (
    MAX_CODES_A_BYTE,
    Codes,
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
    Spec,
    encodec_version,
    load_model,
    one_thread,
    weights_sha256,
)
from mpq_checks.codecs.resampling import fit_length, resample, soxr_version
from mpq_checks.codecs.stream import pack, unpack
from mpq_checks.errors import CodecSettingError, DecodingError
from mpq_checks.signals import Audio

__all__ = ["Encodec"]

_MAX_SAMPLE_RATE = 768_000
_ENTROPY_CODED = 1
_SIDE = 2
_SCALE = struct.Struct("<f")
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
        compact: the model that ships here, 16 kHz (docs/models.md); 1.5, 3 or 6 kbps. Stereo is
            the mean of both channels and half their difference, which gets a sixth of the bits (a
            third at 1.5 kbps), or none where the channels are equal.

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
        length = _length_at(spec, audio.num_samples, audio.sample_rate)
        resampled = resample(audio.samples, audio.sample_rate, spec.sample_rate)
        waves = _tracks(spec, fit_length(resampled, length))
        if spec.side_codebooks and len(waves) == 2:
            if waves[1].any():
                flags |= _SIDE
            else:
                waves = waves[:1]
        counts = self._codebooks(self.bandwidth_kbps, audio.num_channels, bool(flags))
        scales, stretches = _encode_tracks(load_model(self.model), waves, counts)
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
        return pack(spec.magic, header, b"".join(map(_SCALE.pack, scales)) + payload)

    def decode(self, data: bytes, /) -> Audio:
        """Audio of the original form; a stream of another bandwidth of the model decodes too.

        Raises:
            DecodingError: a damaged or foreign stream, or one of other weights.
            AssetError: an official checkpoint that cannot be had.
        """
        spec = MODELS[self.model]
        (setting, tag, rate, channels, length), body = unpack(spec.magic, 5, data, self.name)
        bandwidths, flags = list(spec.codebooks), setting & 3
        if setting >> 2 >= len(bandwidths) or not (
            length and channels in (1, 2) and 1 <= rate <= _MAX_SAMPLE_RATE
        ):
            raise DecodingError(
                f"{self.name}: the header states {channels} channels of {length} samples at "
                f"{rate} Hz with setting {setting}"
            )
        try:
            counts = self._codebooks(bandwidths[setting >> 2], channels, bool(flags & _SIDE))
        except CodecSettingError as exc:
            raise DecodingError(f"{self.name}: the header is damaged: {exc}") from exc
        by_entropy = bool(flags & _ENTROPY_CODED)
        model_length = _length_at(spec, length, rate)
        least = Shape(sum(counts), _frames(spec, model_length))
        self._require_size(len(body), packed_size([least]), least.size, by_entropy)
        frames = [_frames(spec, each) for each in _segment_lengths(spec, model_length)]
        shapes = [Shape(count, each) for count in counts for each in frames]
        levels_size = _SCALE.size * len(shapes) if spec.normalised else 0
        if not by_entropy and len(body) != levels_size + packed_size(shapes):
            raise DecodingError(
                f"{self.name}: {len(body)} bytes of content where the header implies "
                f"{levels_size + packed_size(shapes)}"
            )
        if tag != _tag(self.model):
            raise DecodingError(
                f"{self.name}: the stream was made with other weights than are here; "
                f"decode it with those"
            )
        levels, payload = body[:levels_size], body[levels_size:]
        if len(levels) < levels_size:
            raise DecodingError(f"{self.name}: the stream is cut short within the levels")
        if by_entropy:
            stretches = uncoded(self.model, payload, shapes, self.name)
        else:
            stretches = unpack_codes(payload, shapes)
        scales = [each for (each,) in _SCALE.iter_unpack(levels)]
        if not np.isfinite(scales).all():
            raise DecodingError(f"{self.name}: a level in the stream is not finite")
        waves = _decode_tracks(load_model(self.model), scales, stretches, len(counts))
        samples = _channels(spec, waves, channels)
        if not np.isfinite(samples).all():
            raise DecodingError(f"{self.name}: the decoded sound is not finite")
        return Audio(fit_length(resample(samples, spec.sample_rate, rate), length), rate)

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

    def _require_size(self, size: int, least: int, num_codes: int, by_entropy: bool) -> None:
        """Refuse a length that so many bytes cannot hold, before anything is made of it."""
        if num_codes > MAX_CODES_A_BYTE * size if by_entropy else size < least:
            raise DecodingError(
                f"{self.name}: {size} bytes of content cannot hold the {num_codes} codes that the "
                f"header implies"
            )


Wave = npt.NDArray[np.float32]


def _tag(model: ModelName) -> int:
    """Enough of the weights' hash to tell other weights."""
    return int(weights_sha256(model)[:4], 16) & ((1 << _TAG_BITS) - 1)


def _length_at(spec: Spec, length: int, rate: int) -> int:
    """Samples at the model's rate: as many as begin within the signal."""
    return -(-length * spec.sample_rate // rate)


def _frames(spec: Spec, length: int) -> int:
    return -(-length // spec.hop)


def _segment_lengths(spec: Spec, length: int) -> list[int]:
    """Samples of each stretch that is coded apart."""
    starts = range(0, length, spec.stride or length)
    return [min(spec.segment or length, length - start) for start in starts]


def _tracks(spec: Spec, samples: Wave) -> list[Wave]:
    """What is coded apart: each network channels x samples."""
    if spec.channels == 2:
        return [np.repeat(samples, 2, axis=0) if len(samples) == 1 else samples]
    if len(samples) == 1 or not spec.side_codebooks:
        return list(samples[:, None])
    left, right = samples
    return [((left + right) / 2)[None], ((left - right) / 2)[None]]


def _channels(spec: Spec, waves: Sequence[Wave], channels: int) -> Wave:
    """The way back from `_tracks`."""
    if spec.channels == 2:
        return waves[0] if channels == 2 else waves[0].mean(0, keepdims=True)
    if channels == 1 or not spec.side_codebooks:
        return np.concatenate(waves)
    middle, side = waves[0], waves[1] if len(waves) == 2 else np.zeros_like(waves[0])
    return np.concatenate([middle + side, middle - side])


def _encode_tracks(
    network: Any, waves: Sequence[Wave], counts: Sequence[int]
) -> tuple[list[float], list[Codes]]:
    """Levels (none where the model does not normalise) and codes, track by track."""
    import torch

    scales, stretches = [], []
    with one_thread():
        for wave, count in zip(waves, counts, strict=True):
            for frame in _segments(network, torch.from_numpy(np.ascontiguousarray(wave))[None]):
                levelled = frame
                if network.normalize:  # as EncodecModel._encode_frame does it
                    scale = 1e-8 + frame.mean(1).pow(2).mean().sqrt()
                    scales.append(float(scale))
                    levelled = frame / scale
                codes = network.quantizer.vq.encode(network.encoder(levelled), n_q=count)
                stretches.append(codes[:, 0].numpy())
    return scales, stretches


def _segments(network: Any, wave: Any) -> Iterator[Any]:
    length = network.segment_length or wave.shape[-1]
    for start in range(0, wave.shape[-1], network.segment_stride or length):
        yield wave[..., start : start + length]


def _decode_tracks(
    network: Any, scales: Sequence[float], stretches: Sequence[Codes], num_tracks: int
) -> list[Wave]:
    import torch

    levels: list[Any] = [torch.tensor([each]) for each in scales] or [None] * len(stretches)
    frames = [
        (torch.from_numpy(codes)[None], level)
        for codes, level in zip(stretches, levels, strict=True)
    ]
    each = len(frames) // num_tracks
    with one_thread():
        return [
            network.decode(frames[first : first + each])[0].numpy()
            for first in range(0, len(frames), each)
        ]
