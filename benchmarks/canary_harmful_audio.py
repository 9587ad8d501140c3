"""Degradations of audio and of what hears it, that a team could ship by mistake."""

from dataclasses import replace
from typing import Any

import canary_models as models
import canary_signals as signals
from canary_base import LINKS, Change, Rewrite, codec, harm, loaded_model, loaded_perceptual
from canary_signals import named

from mpq_checks.metrics.wer import AsWritten
from mpq_checks.profiles.base import Case

__all__ = ["HARMFUL_TO_AUDIO"]

_BYTES, _SIGNAL, _DISTANCE, _OUTPUT = LINKS


def _normaliser(normaliser: Any) -> Rewrite:
    def rewrite(case: Case) -> Case:
        task: Any = case.task
        return replace(case, task=replace(task, normaliser=normaliser))

    return rewrite


def _lame_fastest(case_id: str, rate: int | None) -> Change:
    rewrite = codec(encoder=signals.mp3_encoder(8, rate, "-compression_level", "9"))
    what = "fastest LAME preset (9 for 3)"
    return harm(case_id, "lame-9", what, _BYTES, rewrite, small=True)


_SPEECH = (
    harm(
        "ljspeech-mini/none",
        "as-written",
        "no normalisation of words",
        _OUTPUT,
        _normaliser(AsWritten()),
    ),
    harm(
        "ljspeech-mini/none",
        "numbers",
        "numbers not normalised",
        _OUTPUT,
        _normaliser(models.PartialEnglish("standardize_numbers")),
    ),
    harm(
        "ljspeech-mini/none",
        "spelling",
        "British spelling not normalised (no sample has any)",
        None,
        _normaliser(models.PartialEnglish("standardize_spellings")),
    ),
    harm(
        "ljspeech-mini/none",
        "wrong-rate",
        "Whisper told 24,000 Hz for 22,050 Hz",
        _OUTPUT,
        loaded_model(models.hears(named(signals.said_to_be, 24000))),
    ),
    harm(
        "ljspeech-mini/none",
        "linear",
        "resampled to 16 kHz by linear interpolation",
        _OUTPUT,
        loaded_model(models.hears(named(signals.linearly_resampled, 16000))),
    ),
    harm(
        "ljspeech-mini/none",
        "5-bit",
        "weights at 5 bits, one range a tensor",
        _OUTPUT,
        loaded_model(models.quantised(5)),
    ),
    harm(
        "ljspeech-mini/mp3-8kbps",
        "delay",
        "decoded without compensation of LAME's delay",
        _SIGNAL,
        codec(decoder=signals.mp3_without_delay_compensation),
    ),
    harm(
        "ljspeech-mini/mp3-8kbps",
        "gain-1.01",
        "decoded samples times 1.01",
        _SIGNAL,
        codec(after=named(signals.gain, 1.01)),
    ),
    _lame_fastest("ljspeech-mini/mp3-8kbps", None),
    harm(
        "ljspeech-mini/opus-6kbps",
        "5kbps",
        "5 kbps under the name of 6",
        _BYTES,
        codec(encoder=signals.opus_encoder(5)),
        small=True,
    ),
    harm(
        "ljspeech-mini/opus-6kbps",
        "3khz",
        "decoded through a low-pass at 3 kHz",
        _SIGNAL,
        codec(after=named(signals.low_passed, 3000.0)),
    ),
    harm(
        "ljspeech-mini/opus-6kbps",
        "half-db",
        "decoded 0.5 dB too quiet",
        _SIGNAL,
        codec(after=named(signals.gain, 10 ** (-0.5 / 20))),
    ),
    harm(
        "ljspeech-mini/opus-6kbps",
        "cdpam-untrained",
        "CDPAM's weights not loaded (at random)",
        _DISTANCE,
        loaded_perceptual(models.uninitialised("")),
    ),
)

_MUSIC = (
    harm(
        "music-mini/none",
        "stems-swapped",
        "vocals and accompaniment swapped",
        _OUTPUT,
        loaded_model(models.stems_renamed(vocals="accompaniment", accompaniment="vocals")),
    ),
    harm(
        "music-mini/none",
        "5-bit",
        "weights at 5 bits, one range a tensor",
        _OUTPUT,
        loaded_model(models.quantised(5)),
    ),
    harm(
        "music-mini/none",
        "channels-input",
        "separator fed left and right swapped",
        _OUTPUT,
        loaded_model(models.separates(signals.channels_swapped)),
    ),
    _lame_fastest("music-mini/mp3-8kbps-24khz", 24000),
    harm(
        "music-mini/mp3-8kbps-24khz",
        "clipping",
        "overdriven by 9 dB into full scale before encoding",
        _BYTES,
        codec(before=named(signals.clipped, 10 ** (9 / 20))),
    ),
    harm(
        "music-mini/mp3-8kbps-24khz",
        "linear",
        "through 24 kHz by linear interpolation before encoding",
        _BYTES,
        codec(before=named(signals.there_and_back_linearly, 24000)),
    ),
    harm(
        "music-mini/opus-6kbps",
        "inverted",
        "polarity inverted",
        _SIGNAL,
        codec(after=named(signals.gain, -1.0)),
    ),
    harm(
        "music-mini/opus-6kbps",
        "delay-64",
        "decoded 64 samples late",
        _SIGNAL,
        codec(after=named(signals.delayed, 64)),
    ),
    harm(
        "music-mini/mp3-8kbps-24khz",
        "channels",
        "left and right swapped",
        _SIGNAL,
        codec(after=signals.channels_swapped),
    ),
    harm(
        "music-mini/mp3-8kbps-24khz",
        "downmix",
        "mixed down to mono",
        _SIGNAL,
        codec(after=signals.downmixed),
    ),
    harm(
        "music-mini/opus-6kbps",
        "padding",
        "3% of padding bytes",
        _BYTES,
        codec(written=named(signals.padded, 0.03), read=signals.unpadded),
    ),
    harm(
        "music-mini/opus-6kbps",
        "5kbps",
        "5 kbps under the name of 6",
        _BYTES,
        codec(encoder=signals.opus_encoder(5)),
        small=True,
    ),
)

HARMFUL_TO_AUDIO: tuple[Change, ...] = (*_SPEECH, *_MUSIC)
"""In the order of the profile's tasks."""
