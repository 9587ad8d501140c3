"""Degradations that a team could ship by mistake, on all tasks of the mini profile."""

from dataclasses import replace
from typing import Any

import canary_models as models
import canary_signals as signals
from canary_base import Change, Rewrite, codec, loaded_model, loaded_perceptual, model
from canary_signals import named

from mpq_checks.codecs import Jpeg, WebP
from mpq_checks.metrics.wer import AsWritten
from mpq_checks.models.mobilenet import MobileNetV2
from mpq_checks.profiles.base import Case

__all__ = ["HARMFUL"]

_BYTES, _SIGNAL, _DISTANCE, _OUTPUT = (
    "encoded bytes",
    "decoded signal",
    "perceptual distance",
    "model output",
)


def _harm(
    case_id: str, slug: str, what: str, link: str, rewrite: Rewrite, *, small: bool = False
) -> Change:
    return Change(slug, "harmful", case_id, what, link, rewrite, small=small)


def _normaliser(normaliser: Any) -> Rewrite:
    def rewrite(case: Case) -> Case:
        task: Any = case.task
        return replace(case, task=replace(task, normaliser=normaliser))

    return rewrite


def _jpeg_quality(task: str, quality: int) -> Change:
    rewrite = codec(encoder=Jpeg(quality).encode)
    what = f"encoder at quality {quality} under the name of 5"
    return _harm(f"{task}/jpeg-q5", f"quality-{quality}", what, _BYTES, rewrite, small=True)


def _webp_method_0(task: str) -> Change:
    rewrite = codec(encoder=signals.pillow_encoder("WEBP", quality=0, method=0))
    what = "fastest encoder (method 0 for 4)"
    return _harm(f"{task}/webp-q0", "method-0", what, _BYTES, rewrite, small=True)


def _lame_fastest(case_id: str, rate: int | None) -> Change:
    rewrite = codec(encoder=signals.mp3_encoder(8, rate, "-compression_level", "9"))
    what = "fastest LAME preset (9 for 3)"
    return _harm(case_id, "lame-9", what, _BYTES, rewrite, small=True)


_IMAGENET = (
    _jpeg_quality("imagenet-mini", 4),
    _jpeg_quality("imagenet-mini", 3),
    _webp_method_0("imagenet-mini"),
    _harm(
        "imagenet-mini/jpeg-q5",
        "bgr",
        "red and blue swapped after decoding",
        _SIGNAL,
        codec(after=signals.red_and_blue_swapped),
    ),
    _harm(
        "imagenet-mini/jpeg-q5",
        "generation",
        "stored at JPEG quality 10 before",
        _BYTES,
        codec(before=named(signals.through, Jpeg(10))),
    ),
    _harm(
        "imagenet-mini/jpeg-q5",
        "lpips-untrained",
        "trunk of LPIPS not loaded (weights at random)",
        _DISTANCE,
        loaded_perceptual(models.uninitialised("net")),
    ),
    _harm(
        "imagenet-mini/webp-q0",
        "generation",
        "WebP of a WebP",
        _BYTES,
        codec(before=named(signals.through, WebP(0))),
    ),
    _harm(
        "imagenet-mini/webp-q0",
        "limited-range",
        "levels left in 16..235 after decoding",
        _SIGNAL,
        codec(after=signals.limited_range),
    ),
    _harm(
        "imagenet-mini/webp-q0",
        "chroma-lost",
        "decoded to luma alone",
        _SIGNAL,
        codec(after=signals.chroma_lost),
    ),
    _harm(
        "imagenet-mini/webp-q0",
        "gamma-1.1",
        "levels to the power 1.1 after decoding",
        _SIGNAL,
        codec(after=named(signals.gamma, 1.1)),
    ),
    _harm(
        "imagenet-mini/none",
        "mean-std",
        "input normalised with 0.5 and 0.5",
        _OUTPUT,
        loaded_model(models.normalised_with(0.5, 0.5)),
    ),
    _harm(
        "imagenet-mini/none",
        "bgr-input",
        "network fed BGR",
        _OUTPUT,
        loaded_model(models.fed(models.channels_reversed)),
    ),
    _harm(
        "imagenet-mini/none",
        "nearest",
        "resized by nearest neighbour",
        _OUTPUT,
        model(MobileNetV2(resize_filter="nearest")),
    ),
    _harm(
        "imagenet-mini/none",
        "crop-12",
        "crop 12 pixels off the centre",
        _OUTPUT,
        model(models.OffCentreCrop()),
    ),
    _harm(
        "imagenet-mini/none",
        "resize-224",
        "short side resized to 224 rather than 256",
        _OUTPUT,
        model(MobileNetV2(resize=224)),
    ),
    _harm(
        "imagenet-mini/none",
        "int8",
        "weights at 8 bits, one range a tensor",
        _OUTPUT,
        loaded_model(models.quantised(8)),
    ),
    _harm(
        "imagenet-mini/webp-q0",
        "int8",
        "weights at 8 bits, one range a tensor",
        _OUTPUT,
        loaded_model(models.quantised(8)),
    ),
    _harm(
        "imagenet-mini/none",
        "labels-swapped",
        "classes 892 and 807 swapped in the head",
        _OUTPUT,
        loaded_model(models.rows_swapped(892, 807)),
    ),
    _harm(
        "imagenet-mini/none",
        "labels-off-by-one",
        "all classes off by one",
        _OUTPUT,
        loaded_model(models.rows_rolled),
    ),
)

_CHEST = (
    _jpeg_quality("chest-xray-mini", 4),
    _webp_method_0("chest-xray-mini"),
    _harm(
        "chest-xray-mini/jpeg-q5",
        "gamma-1.1",
        "levels to the power 1.1 after decoding",
        _SIGNAL,
        codec(after=named(signals.gamma, 1.1)),
    ),
    _harm(
        "chest-xray-mini/webp-q0",
        "half-pixel",
        "decoded image half a pixel off",
        _SIGNAL,
        codec(after=signals.half_pixel_shift),
    ),
    _harm(
        "chest-xray-mini/none",
        "mean-std",
        "input normalised with ImageNet's mean and deviation",
        _OUTPUT,
        loaded_model(
            models.processor_with(image_mean=[0.485, 0.456, 0.406], image_std=[0.229, 0.224, 0.225])
        ),
    ),
    _harm(
        "chest-xray-mini/none",
        "negative",
        "model fed the negative (MONOCHROME1)",
        _OUTPUT,
        loaded_model(models.sees(signals.negative)),
    ),
    _harm(
        "chest-xray-mini/none",
        "5-bit",
        "weights at 5 bits, one range a tensor",
        _OUTPUT,
        loaded_model(models.quantised(5)),
    ),
    _harm(
        "chest-xray-mini/none",
        "4-bit",
        "weights at 4 bits, one range a tensor",
        _OUTPUT,
        loaded_model(models.quantised(4)),
    ),
    _harm(
        "chest-xray-mini/jpeg-q5",
        "int8",
        "weights at 8 bits, one range a tensor",
        _OUTPUT,
        loaded_model(models.quantised(8)),
    ),
)

_SOLAR = (
    _jpeg_quality("solar-mini", 4),
    _webp_method_0("solar-mini"),
    _harm(
        "solar-mini/webp-q0",
        "blur",
        "blurred (radius 0.7) before encoding, to save bits",
        _BYTES,
        codec(before=named(signals.blurred, 0.7)),
    ),
    _harm(
        "solar-mini/jpeg-q5",
        "limited-range",
        "levels left in 16..235 after decoding",
        _SIGNAL,
        codec(after=signals.limited_range),
    ),
    _harm(
        "solar-mini/none",
        "labels-swapped",
        "the two classes swapped in the head",
        _OUTPUT,
        loaded_model(models.rows_swapped(0, 1)),
    ),
    _harm(
        "solar-mini/none",
        "shift-4",
        "model fed the image 4 pixels off",
        _OUTPUT,
        loaded_model(models.sees(named(signals.shifted, 4))),
    ),
    _harm(
        "solar-mini/none",
        "5-bit",
        "weights at 5 bits, one range a tensor",
        _OUTPUT,
        loaded_model(models.quantised(5)),
    ),
    _harm(
        "solar-mini/none",
        "4-bit",
        "weights at 4 bits, one range a tensor",
        _OUTPUT,
        loaded_model(models.quantised(4)),
    ),
)

_LUNGS = (
    _jpeg_quality("lungs-mini", 4),
    _jpeg_quality("lungs-mini", 3),
    _webp_method_0("lungs-mini"),
    _harm(
        "lungs-mini/webp-q0",
        "half-pixel",
        "decoded image half a pixel off",
        _SIGNAL,
        codec(after=signals.half_pixel_shift),
    ),
    _harm(
        "lungs-mini/none",
        "nearest-mask",
        "logits brought to full size by nearest neighbour",
        _OUTPUT,
        loaded_model(models.upsampled(mode="nearest")),
    ),
    _harm(
        "lungs-mini/none",
        "align-corners",
        "logits brought to full size with align_corners",
        _OUTPUT,
        loaded_model(models.upsampled(mode="bilinear", align_corners=True)),
    ),
    _harm(
        "lungs-mini/none",
        "no-normalisation",
        "mean and deviation not applied",
        _OUTPUT,
        loaded_model(models.processor_with(do_normalize=False)),
    ),
    _harm(
        "lungs-mini/none",
        "5-bit",
        "weights at 5 bits, one range a tensor",
        _OUTPUT,
        loaded_model(models.quantised(5)),
    ),
    _harm(
        "lungs-mini/none",
        "4-bit",
        "weights at 4 bits, one range a tensor",
        _OUTPUT,
        loaded_model(models.quantised(4)),
    ),
)

_SPEECH = (
    _harm(
        "ljspeech-mini/none",
        "as-written",
        "no normalisation of words",
        _OUTPUT,
        _normaliser(AsWritten()),
    ),
    _harm(
        "ljspeech-mini/none",
        "numbers",
        "numbers not normalised",
        _OUTPUT,
        _normaliser(models.PartialEnglish("standardize_numbers")),
    ),
    _harm(
        "ljspeech-mini/none",
        "spelling",
        "British spelling not normalised",
        _OUTPUT,
        _normaliser(models.PartialEnglish("standardize_spellings")),
    ),
    _harm(
        "ljspeech-mini/none",
        "wrong-rate",
        "Whisper told 24,000 Hz for 22,050 Hz",
        _OUTPUT,
        loaded_model(models.hears(named(signals.said_to_be, 24000))),
    ),
    _harm(
        "ljspeech-mini/none",
        "linear",
        "resampled to 16 kHz by linear interpolation",
        _OUTPUT,
        loaded_model(models.hears(named(signals.linearly_resampled, 16000))),
    ),
    _harm(
        "ljspeech-mini/none",
        "5-bit",
        "weights at 5 bits, one range a tensor",
        _OUTPUT,
        loaded_model(models.quantised(5)),
    ),
    _harm(
        "ljspeech-mini/mp3-8kbps",
        "delay",
        "decoded without compensation of LAME's delay",
        _SIGNAL,
        codec(decoder=signals.mp3_without_delay_compensation),
    ),
    _harm(
        "ljspeech-mini/mp3-8kbps",
        "gain-1.01",
        "decoded samples times 1.01",
        _SIGNAL,
        codec(after=named(signals.gain, 1.01)),
    ),
    _lame_fastest("ljspeech-mini/mp3-8kbps", None),
    _harm(
        "ljspeech-mini/opus-6kbps",
        "5kbps",
        "5 kbps under the name of 6",
        _BYTES,
        codec(encoder=signals.opus_encoder(5)),
        small=True,
    ),
    _harm(
        "ljspeech-mini/opus-6kbps",
        "3khz",
        "decoded through a low-pass at 3 kHz",
        _SIGNAL,
        codec(after=named(signals.low_passed, 3000.0)),
    ),
    _harm(
        "ljspeech-mini/opus-6kbps",
        "half-db",
        "decoded 0.5 dB too quiet",
        _SIGNAL,
        codec(after=named(signals.gain, 10 ** (-0.5 / 20))),
    ),
    _harm(
        "ljspeech-mini/opus-6kbps",
        "cdpam-untrained",
        "CDPAM's weights not loaded (at random)",
        _DISTANCE,
        loaded_perceptual(models.uninitialised("")),
    ),
)

_MUSIC = (
    _harm(
        "music-mini/none",
        "stems-swapped",
        "vocals and accompaniment swapped",
        _OUTPUT,
        loaded_model(models.stems_renamed(vocals="accompaniment", accompaniment="vocals")),
    ),
    _harm(
        "music-mini/none",
        "5-bit",
        "weights at 5 bits, one range a tensor",
        _OUTPUT,
        loaded_model(models.quantised(5)),
    ),
    _harm(
        "music-mini/none",
        "channels-input",
        "separator fed left and right swapped",
        _OUTPUT,
        loaded_model(models.separates(signals.channels_swapped)),
    ),
    _lame_fastest("music-mini/mp3-8kbps-24khz", 24000),
    _harm(
        "music-mini/mp3-8kbps-24khz",
        "clipping",
        "overdriven by 9 dB into full scale before encoding",
        _BYTES,
        codec(before=named(signals.clipped, 10 ** (9 / 20))),
    ),
    _harm(
        "music-mini/mp3-8kbps-24khz",
        "linear",
        "through 24 kHz by linear interpolation before encoding",
        _BYTES,
        codec(before=named(signals.there_and_back_linearly, 24000)),
    ),
    _harm(
        "music-mini/opus-6kbps",
        "inverted",
        "polarity inverted",
        _SIGNAL,
        codec(after=named(signals.gain, -1.0)),
    ),
    _harm(
        "music-mini/opus-6kbps",
        "delay-64",
        "decoded 64 samples late",
        _SIGNAL,
        codec(after=named(signals.delayed, 64)),
    ),
    _harm(
        "music-mini/mp3-8kbps-24khz",
        "channels",
        "left and right swapped",
        _SIGNAL,
        codec(after=signals.channels_swapped),
    ),
    _harm(
        "music-mini/mp3-8kbps-24khz",
        "downmix",
        "mixed down to mono",
        _SIGNAL,
        codec(after=signals.downmixed),
    ),
    _harm(
        "music-mini/opus-6kbps",
        "padding",
        "3% of padding bytes",
        _BYTES,
        codec(written=named(signals.padded, 0.03), read=signals.unpadded),
    ),
    _harm(
        "music-mini/opus-6kbps",
        "5kbps",
        "5 kbps under the name of 6",
        _BYTES,
        codec(encoder=signals.opus_encoder(5)),
        small=True,
    ),
)

HARMFUL: tuple[Change, ...] = (*_IMAGENET, *_CHEST, *_SOLAR, *_LUNGS, *_SPEECH, *_MUSIC)
"""In the order of the profile's tasks."""
