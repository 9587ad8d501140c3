"""Changes that must pass the gate, and changes that are neither harmless nor harmful."""

from collections.abc import Callable, Mapping

import canary_models as models
import canary_runs as runs
import canary_signals as signals
from canary_base import Change, Rewrite, codec, loaded_model, model, same, whole

from mpq_checks.codecs import Jpeg
from mpq_checks.evidence import Evidence
from mpq_checks.models.mobilenet import MobileNetV2
from mpq_checks.profiles.base import Case
from mpq_checks.profiles.mini import profile

__all__ = ["DRIFT", "HARMLESS"]

_BFLOAT16 = ("chest-xray-mini", "lungs-mini", "ljspeech-mini", "music-mini")
_IMAGE_TASKS = ("imagenet-mini", "chest-xray-mini", "solar-mini", "lungs-mini")


def _same(
    case_id: str,
    slug: str,
    what: str,
    rewrite: Rewrite = same,
    *,
    link: str | None = None,
    run: Callable[[Case], Evidence] = whole,
    environment: Mapping[str, str] | None = None,
) -> Change:
    return Change(slug, "harmless", case_id, what, link, rewrite, run, environment)


def _drift(case_id: str, slug: str, what: str, rewrite: Rewrite) -> Change:
    link = "model output" if case_id.endswith("/none") else "encoded bytes"
    return Change(slug, "drift", case_id, what, link, rewrite, small=link == "encoded bytes")


_RERUNS = tuple(_same(case.id, "again", "nothing") for case in profile.cases)

_MANNERS = (
    _same("solar-mini/jpeg-q5", "reversed", "last sample first", run=runs.reversed_order),
    _same("music-mini/opus-6kbps", "reversed", "last sample first", run=runs.reversed_order),
    _same("chest-xray-mini/webp-q0", "shards", "two shards, joined", run=runs.two_shards),
    _same("ljspeech-mini/none", "shards", "two shards, joined", run=runs.two_shards),
    _same("lungs-mini/jpeg-q5", "warm", "measured twice in one process", run=runs.second_time),
    _same("chest-xray-mini/jpeg-q5", "cold", "in a process of its own", environment={}),
    _same("solar-mini/none", "threads-2", "two torch threads", environment=runs.TWO_THREADS),
    _same("lungs-mini/webp-q0", "threads-2", "two torch threads", environment=runs.TWO_THREADS),
    _same("music-mini/none", "threads-2", "two torch threads", environment=runs.TWO_THREADS),
    _same(
        "lungs-mini/none", "gate-n-2", "by `pytest suites/ -n 2`", run=runs.gate_with_two_workers
    ),
    _same(
        "ljspeech-mini/none",
        "locale",
        "other hash seed, locale, encoding and time zone",
        environment=runs.OTHER_LOCALE,
    ),
    _same("imagenet-mini/webp-q0", "avx2", "AVX2 kernels only", environment=runs.AVX2),
    _same("chest-xray-mini/none", "avx2", "AVX2 kernels only", environment=runs.AVX2),
    _same("ljspeech-mini/none", "avx2", "AVX2 kernels only", environment=runs.AVX2),
    _same("music-mini/none", "avx2", "AVX2 kernels only", environment=runs.AVX2),
    _same("imagenet-mini/jpeg-q5", "json", "evidence through JSON", run=runs.through_json),
    _same("music-mini/none", "baseline", "evidence through a file", run=runs.through_a_baseline),
    _same("music-mini/none", "onednn", "without oneDNN", run=runs.without_onednn),
    _same("lungs-mini/none", "denormals", "denormals flushed to 0", run=runs.denormals_flushed),
)

_STREAMS = (
    _same(
        "imagenet-mini/jpeg-q5",
        "comment",
        "JPEG with a comment of 20 bytes and a density of 72 dpi",
        codec(
            encoder=signals.pillow_encoder(
                "JPEG", quality=5, comment=b"written by a camera.", dpi=(72, 72)
            )
        ),
        link="encoded bytes",
    ),
    _same(
        "solar-mini/jpeg-q5",
        "optimised",
        "JPEG with optimised Huffman tables",
        codec(encoder=signals.pillow_encoder("JPEG", quality=5, optimize=True)),
        link="encoded bytes",
    ),
    _same(
        "imagenet-mini/jpeg-q5",
        "progressive",
        "progressive JPEG",
        codec(encoder=signals.pillow_encoder("JPEG", quality=5, progressive=True)),
        link="encoded bytes",
    ),
    _same(
        "solar-mini/webp-q0",
        "file",
        "stream through a temporary file",
        codec(written=signals.through_a_file),
    ),
    _same(
        "ljspeech-mini/none",
        "file",
        "stream through a temporary file",
        codec(written=signals.through_a_file),
    ),
    _same(
        "lungs-mini/none",
        "layout",
        "pixels in Fortran order in memory",
        codec(after=signals.fortran_order),
    ),
    _same(
        "music-mini/none",
        "layout",
        "samples in Fortran order in memory",
        codec(after=signals.fortran_order),
    ),
)

_MODELS = (
    _same("solar-mini/none", "resaved", "weights saved again", run=runs.with_weights_resaved),
    _same("lungs-mini/none", "resaved", "weights saved again", run=runs.with_weights_resaved),
    _same(
        "imagenet-mini/none",
        "channels-last",
        "channels-last memory format",
        loaded_model(models.channels_last),
    ),
    _same(
        "chest-xray-mini/none",
        "eager",
        "attention by plain matrix products",
        loaded_model(models.eager_attention),
    ),
    _same(
        "ljspeech-mini/none",
        "float16",
        "weights rounded to float16, which they are stored in",
        loaded_model(models.half_precision),
    ),
)

HARMLESS: tuple[Change, ...] = (*_RERUNS, *_MANNERS, *_STREAMS, *_MODELS)
"""Must pass."""


def _webp_method(task: str, method: int) -> Change:
    rewrite = codec(encoder=signals.pillow_encoder("WEBP", quality=0, method=method))
    return _drift(f"{task}/webp-q0", f"method-{method}", f"method {method} for 4", rewrite)


def _jpeg_quality_6(task: str) -> Change:
    rewrite = codec(encoder=Jpeg(6).encode)
    return _drift(f"{task}/jpeg-q5", "quality-6", "quality 6 for 5", rewrite)


def _opus_complexity_7(task: str) -> Change:
    rewrite = codec(encoder=signals.opus_encoder(6, "-compression_level", "7"))
    return _drift(f"{task}/opus-6kbps", "complexity-7", "complexity 7 for 10", rewrite)


def _lame_2(case_id: str, rate: int | None) -> Change:
    rewrite = codec(encoder=signals.mp3_encoder(8, rate, "-compression_level", "2"))
    return _drift(case_id, "lame-2", "slower LAME preset (2 for 3)", rewrite)


def _half_precision(task: str) -> Change:
    rewrite = loaded_model(models.half_precision)
    return _drift(f"{task}/none", "float16", "weights rounded to float16", rewrite)


def _bfloat16(task: str) -> Change:
    rewrite = loaded_model(models.bfloat16)
    return _drift(f"{task}/none", "bfloat16", "weights rounded to bfloat16", rewrite)


DRIFT: tuple[Change, ...] = (
    *(_webp_method(task, method) for task in _IMAGE_TASKS for method in (5, 6)),
    *(_jpeg_quality_6(task) for task in _IMAGE_TASKS),
    _drift(
        "imagenet-mini/jpeg-q5",
        "4-4-4",
        "chroma at full resolution",
        codec(encoder=signals.pillow_encoder("JPEG", quality=5, subsampling=0)),
    ),
    _drift(
        "imagenet-mini/none",
        "bicubic",
        "resized by a bicubic filter",
        model(MobileNetV2(resize_filter="bicubic")),
    ),
    *(_half_precision(task) for task in ("imagenet-mini", "solar-mini")),
    *(_bfloat16(task) for task in _BFLOAT16),
    _opus_complexity_7("music-mini"),
    _lame_2("music-mini/mp3-8kbps-24khz", 24000),
)
"""Reported, not asserted."""
