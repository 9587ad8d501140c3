"""Measure what the errors of the paper's code do: the tables of docs/explanation/errata.md.

    python benchmarks/errata.py [--only PART]

Writes errata.json beside this script and prints the tables. Speech is LJSpeech, photographs are of
imagenet-mini, LPIPS and CDPAM have their real weights. It takes some minutes on
one core; with --only the other parts are kept.
"""

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from markdown_table import table

from mpq_checks.analysis import correlations, findings, points_of_printed
from mpq_checks.analysis.points import Point
from mpq_checks.atomic import write_text_atomically
from mpq_checks.codecs import Jpeg, Mp3, Opus
from mpq_checks.codecs.as_published import PublishedMp3, PublishedOpus
from mpq_checks.codecs.ffmpeg import decode_pcm, encode_pcm
from mpq_checks.codecs.resampling import fit_length, resample
from mpq_checks.datasets.imagenet_mini import ImagenetMini
from mpq_checks.datasets.ljspeech_mini import LjspeechMini
from mpq_checks.metrics.as_published import PublishedCdpam, PublishedLpips
from mpq_checks.metrics.cdpam import Cdpam
from mpq_checks.metrics.lpips import Lpips
from mpq_checks.metrics.psnr import psnr_db
from mpq_checks.signals import Audio

HERE = Path(__file__).resolve().parent
STORE = HERE / "errata.json"
PRINTED = HERE.parent / "baselines" / "paper-as-published"

IMAGE_TASKS = ("imagenet-1k", "ade20k", "beans", "chest-xray")
ASKED_KBPS = (8, 16, 24, 32)
SAMPLE_RATES = (24_000, 32_000, 44_100, 48_000)
NUM_PHOTOGRAPHS = 12
CLIPS = ("LJ001-0001", "LJ001-0002", "LJ001-0003")
EXCERPT_SECONDS = 2.0


def main() -> None:
    """Measure, store, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=sorted(PARTS), help="measure one part anew")
    options = parser.parse_args()
    found = json.loads(STORE.read_text()) if STORE.exists() else {}
    for name, measure in PARTS.items():
        if options.only in {None, name}:
            found[name] = measure()
            write_text_atomically(STORE, json.dumps(found, indent=1) + "\n")
    for text in tables(found).values():
        print(text)


def points(*, corrected: bool) -> list[Point]:
    """Of the printed tables; corrected with HiFiC's rate in bits."""
    return [
        replace(point, rate=8 * point.rate) if corrected and point.family == "hific" else point
        for point in points_of_printed(PRINTED).points
    ]


def hific_rates() -> list[dict[str, Any]]:
    """Of each image task, the printed rates and HiFiC's in bits."""
    of_cell = {(point.task, point.family): point.rate for point in points(corrected=False)}
    return [
        {
            "task": task,
            **{family: of_cell[task, family] for family in ("jpeg", "webp", "mbt2018", "hific")},
            "true_hific": round(8 * of_cell[task, "hific"], 4),
        }
        for task in IMAGE_TASKS
    ]


def findings_of_table() -> list[dict[str, Any]]:
    """The three findings of the printed tables, with HiFiC's rate as printed and in bits."""
    return [
        {
            "rate": "in bits" if corrected else "as printed",
            "number": finding.number,
            "answer": finding.answer,
            "reason": finding.reason,
        }
        for corrected in (False, True)
        for finding in findings(points(corrected=corrected))
    ]


def ranks() -> list[dict[str, Any]]:
    """Spearman's coefficient within each task of the printed tables."""
    found: dict[str, dict[str, Any]] = {}
    for one in correlations(points(corrected=False), kinds=("task",)):
        if one.coefficient == "spearman":
            of_task = found.setdefault(one.group, {"task": one.group, "codecs": one.n})
            of_task["psnr" if one.quality == "psnr_db" else "closeness"] = round(one.value or 0, 3)
    return list(found.values())


def speech(sample_rate: int, clip: str = CLIPS[0]) -> Audio:
    """One clip at another sample rate."""
    audio = LjspeechMini().load(clip).signal
    assert isinstance(audio, Audio)
    return Audio(resample(audio.samples, audio.sample_rate, sample_rate), sample_rate)


def mp3_rates() -> list[dict[str, Any]]:
    """What LAME spends at each sample rate when it is asked for each bit rate."""
    return [
        {
            "sample_rate": sample_rate,
            **{str(kbps): round(spent_kbps(sample_rate, kbps), 1) for kbps in ASKED_KBPS},
        }
        for sample_rate in SAMPLE_RATES
    ]


def spent_kbps(sample_rate: int, asked_kbps: int) -> float:
    """Bits of an MP3 file of one clip over its length."""
    audio = speech(sample_rate)
    data = encode_pcm(
        audio.samples,
        sample_rate,
        codec="libmp3lame",
        container="mp3",
        bitrate_kbps=asked_kbps,
        options=("-id3v2_version", "0"),
    )
    return 8 * len(data) / (audio.num_samples / sample_rate) / 1000


def mp3_delay() -> list[dict[str, Any]]:
    """PSNR of one clip by how much is cut off the front, with and without LAME's header."""
    audio = speech(48_000)
    found = []
    for header in (True, False):
        data = encode_pcm(
            audio.samples,
            48_000,
            codec="libmp3lame",
            container="mp3",
            bitrate_kbps=32,
            options=("-id3v2_version", "0", "-write_xing", str(int(header))),
        )
        samples, _ = decode_pcm(data, codec="mp3float", container="mp3")
        for cut in (0, 1105, 1106):
            decoded = Audio(fit_length(samples[:, cut:], audio.num_samples), 48_000)
            psnr = round(psnr_db(audio, decoded), 2)
            found.append({"header": header, "cut": cut, "psnr_db": psnr})
    return found


def opus_rates() -> list[dict[str, Any]]:
    """Opus at 6 kbps of speech at 44.1 kHz, resampled to 48 kHz or taken for it."""
    found = []
    for clip in CLIPS:
        audio = speech(44_100, clip)
        of_clip: dict[str, Any] = {"clip": clip}
        for name, codec in (("resampled", Opus()), ("as_published", PublishedOpus())):
            data = codec.encode(audio)
            of_clip[f"{name}_bits_per_sample"] = round(8 * len(data) / audio.samples.size, 4)
            of_clip[f"{name}_psnr_db"] = round(psnr_db(audio, codec.decode(data)), 2)
        found.append(of_clip)
    return found


def lpips_ranges() -> list[dict[str, Any]]:
    """LPIPS of photographs under JPEG at quality 5, with pixels of 0..1 and 0..255."""
    dataset, codec = ImagenetMini(), Jpeg(quality=5)
    metrics = {"unit": Lpips(net="vgg").load("cpu"), "bytes": PublishedLpips().load("cpu")}
    found = []
    for sample_id in spread(dataset.sample_ids(), NUM_PHOTOGRAPHS):
        image = dataset.load(sample_id).signal
        decoded = codec.decode(codec.encode(image))
        found.append(
            {
                "sample_id": sample_id,
                **{
                    name: round(metric.distance(image, decoded), 4)
                    for name, metric in metrics.items()
                },
            }
        )
    return found


def cdpam_ranges() -> list[dict[str, Any]]:
    """CDPAM of excerpts at 48 kHz under MP3 and Opus, in the int16 range and in -1..1."""
    proper = Cdpam(window_seconds=None).load("cpu")
    published = PublishedCdpam().load("cpu")
    found = []
    for clip in CLIPS:
        whole = speech(48_000, clip)
        length = round(EXCERPT_SECONDS * 48_000)
        audio = Audio(np.ascontiguousarray(whole.samples[:, :length]), 48_000)
        codecs = {
            "mp3 8 kbps at 24 kHz": Mp3(bitrate_kbps=8, sample_rate=24_000),
            "mp3 as published": PublishedMp3(),
            "opus 6 kbps": Opus(),
        }
        for name, codec in codecs.items():
            decoded = codec.decode(codec.encode(audio))
            found.append(
                {
                    "clip": clip,
                    "codec": name,
                    "int16": proper.distance(audio, decoded),
                    "unit": published.distance(audio, decoded),
                }
            )
    return found


def spread(ids: Sequence[str], count: int) -> list[str]:
    """So many ids, evenly over all."""
    return [ids[place] for place in np.linspace(0, len(ids) - 1, count).round().astype(int)]


PARTS: Mapping[str, Callable[[], list[dict[str, Any]]]] = {
    "hific": hific_rates,
    "findings": findings_of_table,
    "correlations": ranks,
    "mp3_rates": mp3_rates,
    "mp3_delay": mp3_delay,
    "opus": opus_rates,
    "lpips": lpips_ranges,
    "cdpam": cdpam_ranges,
}


def tables(found: Mapping[str, Any]) -> dict[str, str]:
    """The tables of the page, by the part that they are of."""
    return {
        "hific": table(
            ("dataset", "JPEG", "WebP", "MBT2018", "HiFiC, printed", "HiFiC, in bits"),
            [
                (
                    row["task"],
                    *(f"{row[name]:.4f}" for name in ("jpeg", "webp", "mbt2018", "hific")),
                    f"{row['true_hific']:.4f}",
                )
                for row in found["hific"]
            ],
        ),
        "findings": table(
            ("HiFiC's rate", "finding", "answer", "numbers"),
            [
                (row["rate"], row["number"], row["answer"], row["reason"])
                for row in found["findings"]
            ],
        ),
        "correlations": table(
            ("dataset", "codecs", "with PSNR", "with LPIPS or CDPAM"),
            [
                (row["task"], row["codecs"], f"{row['psnr']:+.1f}", f"{row['closeness']:+.1f}")
                for row in found["correlations"]
            ],
        ),
        "mp3_rates": table(
            ("sample rate", *(f"asked for {kbps} kbps" for kbps in ASKED_KBPS)),
            [
                (f"{row['sample_rate']:,} Hz", *(f"{row[str(kbps)]:.1f}" for kbps in ASKED_KBPS))
                for row in found["mp3_rates"]
            ],
        ),
        "mp3_delay": table(
            ("file states its delay", "samples cut", "PSNR, dB"),
            [
                ("yes" if row["header"] else "no", f"{row['cut']:,}", f"{row['psnr_db']:.2f}")
                for row in found["mp3_delay"]
            ],
        ),
        "opus": table(
            (
                "clip",
                "resampled: bit/sample",
                "PSNR, dB",
                "taken for 48 kHz: bit/sample",
                "PSNR, dB",
            ),
            [
                (
                    row["clip"],
                    f"{row['resampled_bits_per_sample']:.4f}",
                    f"{row['resampled_psnr_db']:.2f}",
                    f"{row['as_published_bits_per_sample']:.4f}",
                    f"{row['as_published_psnr_db']:.2f}",
                )
                for row in found["opus"]
            ],
        ),
        "lpips": _lpips_table(found["lpips"]),
        "cdpam": _cdpam_table(found["cdpam"]),
    }


def _lpips_table(rows: Sequence[Mapping[str, Any]]) -> str:
    of_range = {name: np.array([row[name] for row in rows]) for name in ("unit", "bytes")}
    labels = {"unit": "0..1, as the network expects", "bytes": "0..255, as in the paper's code"}
    return table(
        ("pixels", "photographs", "mean LPIPS", "mean of -10 log10, dB"),
        [
            (
                labels[name],
                len(rows),
                f"{distances.mean():.3f}",
                f"{np.mean(-10 * np.log10(distances)):.2f}",
            )
            for name, distances in of_range.items()
        ],
    )


def _cdpam_table(rows: Sequence[Mapping[str, Any]]) -> str:
    lines = []
    for codec in dict.fromkeys(row["codec"] for row in rows):
        proper, published = (
            np.mean([row[name] for row in rows if row["codec"] == codec])
            for name in ("int16", "unit")
        )
        decibels = (f"{-10 * np.log10(distance):.1f}" for distance in (proper, published))
        lines.append((codec, f"{proper:.3f}", f"{published:.1e}", *decibels))
    return table(
        ("codec", "int16 at 22,050 Hz", "-1..1 at 48 kHz", "dB of the former", "of the latter"),
        lines,
    )


if __name__ == "__main__":
    main()
