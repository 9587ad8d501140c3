"""Points and results documents for tests of the study, made without running a gate."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mpq_checks.analysis import Point
from mpq_checks.baselines import baseline_path, read_baseline
from mpq_checks.evidence import encode_floats
from mpq_checks.profiles import Profile

ROOT = Path(__file__).parent.parent


def point(codec: str, psnr_db: float, closeness_db: float, value: float, **fields: Any) -> Point:
    """A compressed case of the task `photos`, whose uncompressed score is 1."""
    known: dict[str, Any] = {
        "task": "photos",
        "family": codec,
        "modality": "image",
        "uncompressed": False,
        "rate": 0.2,
        "perceptual": "lpips",
        "score": "top1",
        "original": 1.0,
    }
    return Point(
        codec=codec, psnr_db=psnr_db, closeness_db=closeness_db, value=value, **{**known, **fields}
    )


def case(
    task: str,
    codec: str,
    values: Mapping[str, float],
    *,
    correct: Sequence[int] = (),
    family: str | None = None,
    interval: Sequence[float] | None = None,
) -> dict[str, Any]:
    """A case of a results document with the metrics of an image classifier.

    `correct` holds what each sample scored; `interval` is that of the score.
    """
    directions = {"bits_per_pixel": False, "psnr_db": True, "lpips": False, "top1": True}
    return {
        "task": task,
        "codec": codec,
        "modality": "image",
        "uncompressed": codec == "none",
        "metrics": {
            name: {
                "value": encode_floats(value),
                "value_interval": list(interval) if name == "top1" and interval else None,
                "unit": "",
                "decimals": 3,
                "higher_is_better": directions[name],
            }
            for name, value in values.items()
        },
        "identities": {"codec": {"codec": family or codec}},
        "samples": [_sample(index, {"correct": hit}) for index, hit in enumerate(correct)],
    }


def document(cases: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What the study reads of a results document."""
    names = {
        "rate": "bits_per_pixel",
        "distortion": "psnr_db",
        "perceptual": "lpips",
        "scores": ["top1"],
    }
    return {"cases": list(cases), "tasks": {one["task"]: names for one in cases}}


def values(
    rate: float = 0.2, psnr_db: float = 30.0, lpips: float = 0.1, top1: float = 0.5
) -> dict[str, float]:
    return {"bits_per_pixel": rate, "psnr_db": psnr_db, "lpips": lpips, "top1": top1}


def document_of_baselines(profile: Profile) -> dict[str, Any]:
    """What a run that gives the committed baselines would hold, as far as the study reads it."""
    cases, tasks = [], {}
    for one in profile.cases:
        stored = read_baseline(
            baseline_path(ROOT / "baselines", profile.name, one.task.name, one.codec.name)
        )
        rate, distortion, perceptual, *scores = (metric.name for metric in one.metrics)
        tasks[one.task.name] = {
            "rate": rate,
            "distortion": distortion,
            "perceptual": perceptual,
            "scores": scores,
        }
        rows = [row.to_json() for row in stored.evidence.rows]
        shared = ("sample_id", "cluster", "content_sha256")
        cases.append(
            {
                "task": one.task.name,
                "codec": one.codec.name,
                "modality": one.task.modality,
                "uncompressed": one.codec.nominal_rate is not None,
                "metrics": {
                    metric.name: {
                        "value": encode_floats(stored.metrics[metric.name]),
                        "value_interval": None,
                        "unit": metric.unit,
                        "decimals": metric.decimals,
                        "higher_is_better": metric.higher_is_better,
                    }
                    for metric in one.metrics
                },
                "identities": stored.evidence.identities,
                "samples": [
                    {
                        **{name: row[name] for name in shared},
                        "now": {name: row[name] for name in row if name not in shared},
                    }
                    for row in rows
                ],
            }
        )
    return {"cases": cases, "tasks": tasks}


def _sample(index: int, statistics: Mapping[str, Any]) -> dict[str, Any]:
    digest = hashlib.sha256(bytes([index])).hexdigest()
    return {
        "sample_id": f"sample-{index:03d}",
        "cluster": None,
        "content_sha256": digest,
        "now": {
            "encoded_bytes": 10,
            "encoded_sha256": digest,
            "decoded_sha256": digest,
            "rate": 0.2,
            "psnr_db": 30.0,
            "perceptual": 0.1,
            "statistics": dict(statistics),
            "says": "something",
        },
    }
