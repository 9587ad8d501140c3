"""Measure what a sample of the paper's study costs: the tables of docs/reference/paper-cost.md.

    python benchmarks/paper_cost.py [--only NAME]

Writes paper_cost.json beside this script and prints the tables. CPU seconds of one thread.
Networks whose weights are not at hand have their real architecture and random weights: what is
measured is time. With --only, one measurement is made anew and the others are kept. Whisper medium
needs 4 GB of memory.
"""

import argparse
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from markdown_table import table

from mpq_checks.atomic import write_text_atomically
from mpq_checks.codecs import Jpeg, Mp3, Opus, WebP
from mpq_checks.datasets.imagenet_mini import ImagenetMini
from mpq_checks.datasets.ljspeech_mini import LjspeechMini
from mpq_checks.metrics.cdpam import Cdpam
from mpq_checks.metrics.lpips import Lpips
from mpq_checks.signals import Audio, Image
from mpq_checks.torch_stack import prepare

STORE = Path(__file__).resolve().parent / "paper_cost.json"
SPEECH_TOKENS = 16
SEPARATED_SECONDS = 10
PEAK_FLOPS = 67e12
"""FP32 of an H200, as its data sheet states."""


@dataclass(frozen=True)
class Dataset:
    """What the estimate takes a dataset to be.

    Attributes:
        samples: that the study measures.
        size: of a sample on average: megapixels, or seconds.
        sized: where the size is from.
        model: measurement of the model.
        per_size: whether the model's cost grows with the sample's size.
    """

    samples: int
    size: float
    sized: str
    model: str
    per_size: bool = False


DATASETS = {
    "imagenet-1k": Dataset(1000, 0.18, "assumed: 469 x 387 pixels, the usual average", "vit-base"),
    "chest-xray": Dataset(1165, 0.4096, "640 x 640", "vit-base"),
    "beans": Dataset(133, 0.25, "500 x 500", "vit-base"),
    "ade20k": Dataset(2000, 0.35, "assumed: 683 x 512, the shorter side is 512", "segformer-b0"),
    "common-voice-11": Dataset(800, 5.5, "assumed: 5.5 s a clip", "whisper-medium"),
    "musdb18-hq": Dataset(50, 240.0, "10 h of 150 tracks: 4 min a track", "hdemucs", per_size=True),
}
CODECS = {
    "image": ("none", "jpeg", "webp", "mbt2018", "hific"),
    "audio": ("none", "mp3", "opus", "encodec"),
}
JUDGED_SECONDS = {"common-voice-11": 5.5, "musdb18-hq": 10.0}
"""Of each sample, what CDPAM hears in the profile `paper`."""


def main() -> None:
    """Measure, store, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=sorted(MEASUREMENTS), help="measure one anew")
    options = parser.parse_args()
    prepare()
    import torch

    torch.set_num_threads(1)
    found = json.loads(STORE.read_text()) if STORE.exists() else {}
    for name, measure in MEASUREMENTS.items():
        if options.only in {None, name}:
            with torch.no_grad():
                found[name] = measure()
            write_text_atomically(STORE, json.dumps(found, indent=1) + "\n")
    for text in tables(found).values():
        print(text)


def cost(work: Callable[[], Any], size: float, *, flops: bool = True) -> dict[str, float]:
    """CPU seconds and floating point operations of a network's work, by the size of the sample."""
    work()
    seconds = min(_timed(work) for _ in range(2))
    counted = _flops(work) if flops else 0.0
    return {"seconds": float(f"{seconds / size:.3g}"), "flops": float(f"{counted / size:.3g}")}


def _timed(work: Callable[[], Any]) -> float:
    """All CPU seconds of this process and its children."""
    start = time.process_time() + _children()
    work()
    return time.process_time() + _children() - start


def _children() -> float:
    import resource

    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _flops(work: Callable[[], Any]) -> float:
    from torch.utils.flop_counter import FlopCounterMode

    counter = FlopCounterMode(display=False)
    with counter:
        work()
    return float(counter.get_total_flops())


def photograph(side: int = 384) -> Image:
    """A corner of a photograph, square."""
    dataset = ImagenetMini()
    for sample_id in dataset.sample_ids():
        pixels = dataset.load(sample_id).signal.pixels
        if min(pixels.shape[:2]) >= side:
            return Image(np.ascontiguousarray(pixels[:side, :side]))
    raise AssertionError("no photograph is large enough")


def speech(sample_rate: int, seconds: float, channels: int = 1) -> Audio:
    """Speech at a sample rate, each channel the same."""
    import soxr  # type: ignore[import-untyped]

    clip = LjspeechMini().load("LJ001-0001").signal.samples[0]
    resampled = soxr.resample(clip, 22_050, sample_rate)
    mono = np.resize(resampled, round(seconds * sample_rate)).astype(np.float32)
    return Audio(np.repeat(mono[None], channels, axis=0), sample_rate)


def _pillow(codec: Any) -> dict[str, float]:
    image = photograph()
    megapixels = image.pixels[..., 0].size / 1e6
    return cost(lambda: codec.decode(codec.encode(image)), megapixels, flops=False)


def _ffmpeg(codec: Any, sample_rate: int) -> dict[str, float]:
    audio = speech(sample_rate, 10.0)
    return cost(lambda: codec.decode(codec.encode(audio)), 10.0, flops=False)


def _mbt2018() -> dict[str, float]:
    from lockstep import large_network

    from mpq_checks.codecs.mbt2018 import image_coder

    model = large_network()
    coder = image_coder(model, "official", b"Mx", "zeros")
    images = [photograph(256)] * 8
    megapixels = 8 * 256 * 256 / 1e6
    found = cost(lambda: coder.decode(coder.encode(images)), megapixels, flops=False)
    x = _tensor(images[0])
    flops = _flops(lambda: model(x)) / (256 * 256 / 1e6)
    return {**found, "flops": float(f"{flops:.3g}")}


def _hific() -> dict[str, float]:
    from mpq_checks.codecs.hific_network import HificNetwork

    model = HificNetwork(_hific_sizes()).eval()
    x = _tensor(photograph(256))

    def work() -> None:
        latents = model.g_a(x)
        model.h_s(model.h_a(latents))
        model.g_s(latents)

    return cost(work, 256 * 256 / 1e6)


def _hific_sizes() -> Any:
    """Those of the official network: figure 2 of Mentzer et al. (2020)."""
    from mpq_checks.codecs.hific_network import HificSizes

    return HificSizes((60, 120, 240, 480), bottom=960, blocks=9, latent=220, hyper=320)


def _encodec_model() -> Any:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from encodec import EncodecModel  # type: ignore[import-untyped]

        model = EncodecModel.encodec_model_48khz(pretrained=False).eval()
    model.set_target_bandwidth(6.0)
    return model


def _encodec() -> dict[str, float]:
    model = _encodec_model()
    x = _samples(speech(48_000, 5.0, channels=2))
    return cost(lambda: model.decode(model.encode(x)), 5.0)


def _lpips() -> dict[str, float]:
    """One decoded image; the original's features are computed once for all codecs."""
    metric: Any = Lpips(net="vgg").load("cpu")
    image = photograph()
    decoded = Image(255 - image.pixels)
    return cost(lambda: metric.distance(image, decoded), image.pixels[..., 0].size / 1e6)


def _cdpam() -> dict[str, float]:
    metric = Cdpam(window_seconds=None).load("cpu")
    audio = speech(22_050, 2.0)
    decoded = Audio(audio.samples * np.float32(0.5), audio.sample_rate)
    return cost(lambda: metric.distance(audio, decoded), 2.0)


def _vit() -> dict[str, float]:
    import torch
    from transformers import ViTConfig, ViTForImageClassification

    model = ViTForImageClassification(ViTConfig(num_labels=1000)).eval()
    return cost(lambda: model(pixel_values=torch.zeros(4, 3, 224, 224)), 4)


def _segformer() -> dict[str, float]:
    import torch
    from transformers import SegformerConfig, SegformerForSemanticSegmentation

    model = SegformerForSemanticSegmentation(SegformerConfig(num_labels=150)).eval()
    return cost(lambda: model(pixel_values=torch.zeros(1, 3, 512, 512)), 1)


def _whisper(layers: int, heads: int, width: int) -> dict[str, float]:
    """Hear 30 s, which a shorter clip is filled up to; write 16 tokens; score 16."""
    import torch
    from transformers import WhisperConfig, WhisperForConditionalGeneration

    config = WhisperConfig(
        encoder_layers=layers,
        decoder_layers=layers,
        encoder_attention_heads=heads,
        decoder_attention_heads=heads,
        d_model=width,
        encoder_ffn_dim=4 * width,
        decoder_ffn_dim=4 * width,
    )
    model = WhisperForConditionalGeneration(config).eval()
    heard = torch.zeros(1, 80, 3000)

    def work() -> None:
        encoded = (model.model.encoder(heard).last_hidden_state,)
        tokens, past = torch.zeros(1, 4, dtype=torch.long), None
        for _ in range(SPEECH_TOKENS):
            output = model(
                encoder_outputs=encoded,
                decoder_input_ids=tokens,
                cache=past,
                use_cache=True,
            )
            tokens, past = tokens[:, -1:], output.cache
        reference = torch.zeros(1, SPEECH_TOKENS + 4, dtype=torch.long)
        model(encoder_outputs=encoded, decoder_input_ids=reference, use_cache=False)

    return cost(work, 1)


def _hdemucs() -> dict[str, float]:
    from demucs.hdemucs import HDemucs  # type: ignore[import-untyped]

    model = HDemucs(["drums", "bass", "other", "vocals"]).eval()
    return _separation(model)


def _htdemucs() -> dict[str, float]:
    from demucs.htdemucs import HTDemucs  # type: ignore[import-untyped]

    model = HTDemucs(["drums", "bass", "other", "vocals"], bottom_channels=512).eval()
    return _separation(model)


def _separation(model: Any) -> dict[str, float]:
    """Of a second of sound; segments overlap by a quarter, so that a second goes in 4/3 times."""
    segment = min(float(model.segment), SEPARATED_SECONDS)
    x = _samples(speech(44_100, segment, channels=2))
    return cost(lambda: model(x), segment * 3 / 4)


def _tensor(image: Image) -> Any:
    import torch

    return torch.from_numpy(image.pixels.transpose(2, 0, 1)[None].astype(np.float32) / 255)


def _samples(audio: Audio) -> Any:
    import torch

    return torch.from_numpy(np.ascontiguousarray(audio.samples))[None]


def parameter_bytes() -> dict[str, float]:
    """Of networks whose files state no size: four bytes a parameter."""
    from compressai.models import JointAutoregressiveHierarchicalPriors
    from demucs.hdemucs import HDemucs
    from demucs.htdemucs import HTDemucs

    from mpq_checks.codecs.hific_network import HificNetwork

    stems = ["drums", "bass", "other", "vocals"]
    networks = {
        "mbt2018": JointAutoregressiveHierarchicalPriors(192, 192),
        "hific": HificNetwork(_hific_sizes()),
        "encodec": _encodec_model(),
        "hdemucs": HDemucs(stems),
        "htdemucs": HTDemucs(stems, bottom_channels=512),
    }
    return {
        name: 4.0 * sum(parameter.numel() for parameter in network.parameters())
        for name, network in networks.items()
    }


MEASUREMENTS: Mapping[str, Callable[[], dict[str, float]]] = {
    "jpeg": lambda: _pillow(Jpeg(quality=5)),
    "webp": lambda: _pillow(WebP(quality=0)),
    "mbt2018": _mbt2018,
    "hific": _hific,
    "mp3": lambda: _ffmpeg(Mp3(bitrate_kbps=8, sample_rate=24_000), 48_000),
    "opus": lambda: _ffmpeg(Opus(), 48_000),
    "encodec": _encodec,
    "lpips": _lpips,
    "cdpam": _cdpam,
    "vit-base": _vit,
    "segformer-b0": _segformer,
    "whisper-tiny": lambda: _whisper(4, 6, 384),
    "whisper-medium": lambda: _whisper(24, 16, 1024),
    "hdemucs": _hdemucs,
    "htdemucs": _htdemucs,
    "parameters": parameter_bytes,
}

UNITS = {
    **dict.fromkeys(("jpeg", "webp", "mbt2018", "hific", "lpips"), "megapixel"),
    **dict.fromkeys(("mp3", "opus", "encodec", "cdpam"), "second of sound"),
    **dict.fromkeys(("vit-base", "segformer-b0"), "image"),
    **dict.fromkeys(("whisper-tiny", "whisper-medium"), "clip"),
    **dict.fromkeys(("hdemucs", "htdemucs"), "second of sound"),
}


def hours(found: Mapping[str, Any], name: str, codec: str) -> float:
    """CPU hours of one case."""
    return _total(found, name, codec, "seconds") / 3600


def gpu_seconds(found: Mapping[str, Any], name: str, codec: str) -> float:
    """What the networks of one case would take at the GPU's peak: a bound, which none reaches."""
    return _total(found, name, codec, "flops") / PEAK_FLOPS


def _total(found: Mapping[str, Any], name: str, codec: str, key: str) -> float:
    dataset = DATASETS[name]
    image = "lpips" if name not in JUDGED_SECONDS else ""
    model = found[dataset.model][key] * (dataset.size if dataset.per_size else 1)
    coding = 0.0 if codec == "none" else found[codec][key] * dataset.size
    judged = found["lpips"][key] * dataset.size if image else _heard(found, name, key)
    return dataset.samples * (model + coding + (0.0 if codec == "none" else judged))


def _heard(found: Mapping[str, Any], name: str, key: str) -> float:
    return float(found["cdpam"][key]) * JUDGED_SECONDS[name]


def tables(found: Mapping[str, Any]) -> dict[str, str]:
    """The tables of the page, by what they are of."""
    return {
        "samples": table(
            ("", "of a", "CPU seconds", "GFLOP"),
            [
                (name, unit, f"{found[name]['seconds']:.2g}", _giga(found[name]["flops"]))
                for name, unit in UNITS.items()
            ],
        ),
        "datasets": table(
            ("dataset", "samples", "size of a sample", "from"),
            [
                (name, f"{one.samples:,}", f"{one.size:g} {_unit(name)}", one.sized)
                for name, one in DATASETS.items()
            ],
        ),
        "sizes": table(("", "megabytes", "from"), _sizes(found["parameters"])),
        "cases": table(
            ("dataset", "codec", "CPU, hours of one core", "GPU, seconds at peak"), _cases(found)
        ),
    }


def _cases(found: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """One row a case, and one of all."""
    cases = [
        (name, codec)
        for name in DATASETS
        for codec in CODECS["audio" if name in JUDGED_SECONDS else "image"]
    ]
    costs = [(hours(found, *case), gpu_seconds(found, *case)) for case in cases]
    rows = [
        (*case, _short(cpu), _short(gpu)) for case, (cpu, gpu) in zip(cases, costs, strict=True)
    ]
    cpu, gpu = (sum(column) for column in zip(*costs, strict=True))
    return [*rows, ("all", "all", _short(cpu), _short(gpu))]


def _short(number: float) -> str:
    """Two digits, or all before the point."""
    return f"{number:,.0f}" if number >= 10 else f"{number:.2g}"


def _sizes(parameters: Mapping[str, float]) -> list[tuple[str, str, str]]:
    """Of what is downloaded, where a size is known; the rest is not in the list."""
    from mpq_checks.assets.manifest import load_manifest
    from mpq_checks.datasets.paper import beans, musdb
    from mpq_checks.models import paper

    models = (
        paper.VIT_IMAGENET,
        paper.VIT_CHEST_XRAY,
        paper.VIT_BEANS,
        paper.SEGFORMER_ADE20K,
        paper.WHISPER_TINY,
        paper.WHISPER_MEDIUM,
    )
    assets = load_manifest()
    known: list[tuple[str, float | None, str]] = [
        *((one.repo, one.num_bytes, "the hub") for one in models),
        *(
            (name, assets[name].num_bytes, "the asset manifest")
            for name in ("lpips-vgg16-trunk", "cdpam")
        ),
        *((name, size, "parameters, 4 bytes each") for name, size in parameters.items()),
        ("beans, all splits", beans.PUBLICATION.download_bytes, "its page on the hub"),
        ("MUSDB18-HQ, both splits", musdb.PUBLICATION.download_bytes, "Zenodo"),
    ]
    return [(name, f"{size / 1e6:,.0f}", source) for name, size, source in known if size]


def _giga(flops: float) -> str:
    return f"{flops / 1e9:,.0f}" if flops else "-"


def _unit(name: str) -> str:
    return "s" if name in JUDGED_SECONDS else "megapixels"


if __name__ == "__main__":
    main()
