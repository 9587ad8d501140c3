"""From exhibits and the results document to what the page shows of them."""

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from mpq_checks.exhibits import Exhibit, Shown
from mpq_checks.report.html.view import anchor
from mpq_checks.report.numbers import metric_number

__all__ = ["exhibit_views"]


def exhibit_views(document: Mapping[str, Any], exhibits: Sequence[Exhibit]) -> list[dict[str, Any]]:
    """The exhibits of each task, in the order of the tasks."""
    tasks = list(dict.fromkeys(exhibit.task for exhibit in exhibits))
    return [
        {
            "task": task,
            "kind": document["tasks"][task]["kind"],
            "modality": document["tasks"][task]["modality"],
            "exhibits": [
                _exhibit_view(document, exhibit) for exhibit in exhibits if exhibit.task == task
            ],
        }
        for task in tasks
    ]


def _exhibit_view(document: Mapping[str, Any], exhibit: Exhibit) -> dict[str, Any]:
    cases = {case["codec"]: case for case in document["cases"] if case["task"] == exhibit.task}
    names = document["tasks"][exhibit.task]["class_names"]
    shown = [_shown_view(cases[one.codec], one, exhibit.sample_id, names) for one in exhibit.shown]
    return {
        "sample_id": exhibit.sample_id,
        "reference": _named(exhibit.reference, names),
        "shown": shown,
        "outlined": any(view["overlay"] for view in shown),
        "pixels_high": exhibit.shown[0].picture != b"",
    }


def _shown_view(
    case: Mapping[str, Any], shown: Shown, sample_id: str, names: Sequence[str]
) -> dict[str, Any]:
    sample = next(s for s in case["samples"] if s["sample_id"] == sample_id)
    now, before = sample["now"], sample["baseline"]
    says = _says(now, names)
    return {
        "title": "original" if case["uncompressed"] else shown.codec,
        "case": f"{case['task']}/{case['codec']}",
        "anchor": anchor(case),
        "picture": _data_url("image/webp" if shown.sound == b"" else "image/png", shown.picture),
        "overlay": _data_url("image/webp", shown.overlay),
        "sound": _data_url("audio/flac", shown.sound),
        "numbers": [] if case["uncompressed"] else _numbers(case, now),
        "says": says,
        "said": "" if before is None or before["says"] == now["says"] else _says(before, names),
        "change": _change(sample),
        "words": shown.words,
        "as_measured": shown.as_measured,
        "error": shown.error,
    }


def _numbers(case: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    rate, distortion, perceptual, *_ = case["metrics"].items()
    pairs = zip((rate, distortion, perceptual), ("rate", "psnr_db", "perceptual"), strict=True)
    return [
        f"{metric_number({**metric, 'one': now[key]}, 'one')} {metric['unit'] or name.upper()}"
        for (name, metric), key in pairs
    ]


def _says(side: Mapping[str, Any], names: Sequence[str]) -> str:
    """A classification by the names of its classes; anything else as the task says it."""
    statistics = side["statistics"]
    if "predicted" in statistics and names:
        right = "right" if statistics["correct"] else "wrong"
        predicted = _named(statistics["predicted"], names)
        return f"{predicted}: {right}, nll {statistics['nll']:.2f}"
    if "hypothesis" in statistics:
        return f"{statistics['errors']} errors in {statistics['words']} words"
    return str(side["says"])


def _change(sample: Mapping[str, Any]) -> str:
    """Whether the decision of a classifier flipped, against the baseline."""
    if sample["baseline"] is None:
        return ""
    now, before = (sample[side]["statistics"].get("correct") for side in ("now", "baseline"))
    if now is None or before is None or now == before:
        return ""
    return "flipped to right" if now else "flipped to wrong"


def _named(reference: object, names: Sequence[str]) -> str:
    """A class index by its name; any other text as it is."""
    text = str(reference)
    if names and text.isdecimal() and int(text) < len(names):
        return f"{names[int(text)]} ({text})"
    return text


def _data_url(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}" if data else ""
