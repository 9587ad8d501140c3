"""Degradations of images and of what reads them, that a team could ship by mistake."""

import canary_models as models
import canary_signals as signals
from canary_base import LINKS, Change, codec, harm, loaded_model, loaded_perceptual, model
from canary_signals import named

from mpq_checks.codecs import Jpeg, WebP
from mpq_checks.models.mobilenet import MobileNetV2

__all__ = ["HARMFUL_TO_IMAGES"]

_BYTES, _SIGNAL, _DISTANCE, _OUTPUT = LINKS


def _jpeg_quality(task: str, quality: int) -> Change:
    rewrite = codec(encoder=Jpeg(quality).encode)
    what = f"encoder at quality {quality} under the name of 5"
    return harm(f"{task}/jpeg-q5", f"quality-{quality}", what, _BYTES, rewrite, small=True)


def _webp_method_0(task: str) -> Change:
    rewrite = codec(encoder=signals.pillow_encoder("WEBP", quality=0, method=0))
    what = "fastest encoder (method 0 for 4)"
    return harm(f"{task}/webp-q0", "method-0", what, _BYTES, rewrite, small=True)


_IMAGENET = (
    _jpeg_quality("imagenet-mini", 4),
    _jpeg_quality("imagenet-mini", 3),
    _webp_method_0("imagenet-mini"),
    harm(
        "imagenet-mini/jpeg-q5",
        "bgr",
        "red and blue swapped after decoding",
        _SIGNAL,
        codec(after=signals.red_and_blue_swapped),
    ),
    harm(
        "imagenet-mini/jpeg-q5",
        "generation",
        "stored at JPEG quality 10 before",
        _BYTES,
        codec(before=named(signals.through, Jpeg(10))),
    ),
    harm(
        "imagenet-mini/jpeg-q5",
        "lpips-untrained",
        "trunk of LPIPS not loaded (weights at random)",
        _DISTANCE,
        loaded_perceptual(models.uninitialised("net")),
    ),
    harm(
        "imagenet-mini/webp-q0",
        "generation",
        "WebP of a WebP",
        _BYTES,
        codec(before=named(signals.through, WebP(0))),
    ),
    harm(
        "imagenet-mini/webp-q0",
        "limited-range",
        "levels left in 16..235 after decoding",
        _SIGNAL,
        codec(after=signals.limited_range),
    ),
    harm(
        "imagenet-mini/webp-q0",
        "chroma-lost",
        "decoded to luma alone",
        _SIGNAL,
        codec(after=signals.chroma_lost),
    ),
    harm(
        "imagenet-mini/webp-q0",
        "gamma-1.1",
        "levels to the power 1.1 after decoding",
        _SIGNAL,
        codec(after=named(signals.gamma, 1.1)),
    ),
    harm(
        "imagenet-mini/none",
        "mean-std",
        "input normalised with 0.5 and 0.5",
        _OUTPUT,
        loaded_model(models.normalised_with(0.5, 0.5)),
    ),
    harm(
        "imagenet-mini/none",
        "bgr-input",
        "network fed BGR",
        _OUTPUT,
        loaded_model(models.fed(models.channels_reversed)),
    ),
    harm(
        "imagenet-mini/none",
        "nearest",
        "resized by nearest neighbour",
        _OUTPUT,
        model(MobileNetV2(resize_filter="nearest")),
    ),
    harm(
        "imagenet-mini/none",
        "crop-12",
        "crop 12 pixels off the centre",
        _OUTPUT,
        model(models.OffCentreCrop()),
    ),
    harm(
        "imagenet-mini/none",
        "resize-224",
        "short side resized to 224 rather than 256",
        _OUTPUT,
        model(MobileNetV2(resize=224)),
    ),
    harm(
        "imagenet-mini/none",
        "int8",
        "weights at 8 bits, one range a tensor",
        _OUTPUT,
        loaded_model(models.quantised(8)),
    ),
    harm(
        "imagenet-mini/webp-q0",
        "int8",
        "weights at 8 bits, one range a tensor",
        _OUTPUT,
        loaded_model(models.quantised(8)),
    ),
    harm(
        "imagenet-mini/none",
        "labels-swapped",
        "classes 892 and 807 swapped in the head",
        _OUTPUT,
        loaded_model(models.rows_swapped(892, 807)),
    ),
    harm(
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
    harm(
        "chest-xray-mini/jpeg-q5",
        "gamma-1.1",
        "levels to the power 1.1 after decoding",
        _SIGNAL,
        codec(after=named(signals.gamma, 1.1)),
    ),
    harm(
        "chest-xray-mini/webp-q0",
        "half-pixel",
        "decoded image half a pixel off",
        _SIGNAL,
        codec(after=signals.half_pixel_shift),
    ),
    harm(
        "chest-xray-mini/none",
        "mean-std",
        "input normalised with ImageNet's mean and deviation",
        _OUTPUT,
        loaded_model(
            models.processor_with(image_mean=[0.485, 0.456, 0.406], image_std=[0.229, 0.224, 0.225])
        ),
    ),
    harm(
        "chest-xray-mini/none",
        "negative",
        "model fed the negative (MONOCHROME1)",
        _OUTPUT,
        loaded_model(models.sees(signals.negative)),
    ),
    harm(
        "chest-xray-mini/none",
        "5-bit",
        "weights at 5 bits, one range a tensor",
        _OUTPUT,
        loaded_model(models.quantised(5)),
    ),
    harm(
        "chest-xray-mini/none",
        "4-bit",
        "weights at 4 bits, one range a tensor",
        _OUTPUT,
        loaded_model(models.quantised(4)),
    ),
    harm(
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
    harm(
        "solar-mini/webp-q0",
        "blur",
        "blurred (radius 0.7) before encoding, to save bits",
        _BYTES,
        codec(before=named(signals.blurred, 0.7)),
    ),
    harm(
        "solar-mini/jpeg-q5",
        "limited-range",
        "levels left in 16..235 after decoding",
        _SIGNAL,
        codec(after=signals.limited_range),
    ),
    harm(
        "solar-mini/none",
        "labels-swapped",
        "the two classes swapped in the head",
        _OUTPUT,
        loaded_model(models.rows_swapped(0, 1)),
    ),
    harm(
        "solar-mini/none",
        "shift-4",
        "model fed the image 4 pixels off",
        _OUTPUT,
        loaded_model(models.sees(named(signals.shifted, 4))),
    ),
    harm(
        "solar-mini/none",
        "5-bit",
        "weights at 5 bits, one range a tensor",
        _OUTPUT,
        loaded_model(models.quantised(5)),
    ),
    harm(
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
    harm(
        "lungs-mini/webp-q0",
        "half-pixel",
        "decoded image half a pixel off",
        _SIGNAL,
        codec(after=signals.half_pixel_shift),
    ),
    harm(
        "lungs-mini/none",
        "nearest-mask",
        "logits brought to full size by nearest neighbour",
        _OUTPUT,
        loaded_model(models.upsampled(mode="nearest")),
    ),
    harm(
        "lungs-mini/none",
        "align-corners",
        "logits brought to full size with align_corners",
        _OUTPUT,
        loaded_model(models.upsampled(mode="bilinear", align_corners=True)),
    ),
    harm(
        "lungs-mini/none",
        "no-normalisation",
        "mean and deviation not applied",
        _OUTPUT,
        loaded_model(models.processor_with(do_normalize=False)),
    ),
    harm(
        "lungs-mini/none",
        "5-bit",
        "weights at 5 bits, one range a tensor",
        _OUTPUT,
        loaded_model(models.quantised(5)),
    ),
    harm(
        "lungs-mini/none",
        "4-bit",
        "weights at 4 bits, one range a tensor",
        _OUTPUT,
        loaded_model(models.quantised(4)),
    ),
)

HARMFUL_TO_IMAGES: tuple[Change, ...] = (*_IMAGENET, *_CHEST, *_SOLAR, *_LUNGS)
"""In the order of the profile's tasks."""
