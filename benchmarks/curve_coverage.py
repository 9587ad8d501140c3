"""How often the interval misses: it should in 5% of the runs.

The interval is that of docs/explanation/rate-and-quality.md.

python benchmarks/curve_coverage.py --runs 200

The 70 photographs of imagenet-mini are the population, with the committed baselines of JPEG as
before and those of WebP as now. Each run draws samples from it with replacement.
"""

import argparse
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from mpq_checks.baselines import baseline_path, read_baseline
from mpq_checks.curves import Curve, compare, paired_setting
from mpq_checks.evidence import Row
from mpq_checks.profiles import Case, load_profile
from mpq_checks.significance import resampling

BASELINES = Path(__file__).resolve().parent.parent / "baselines"
TASK = "imagenet-mini"
SIZES = (10, 30, 70)
NUM_RESAMPLES = 500


def main() -> int:
    """Print the share of runs that miss on either side, by metric."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=200)
    runs = parser.parse_args().runs
    resampling.NUM_RESAMPLES = NUM_RESAMPLES
    cases = [case for case in load_profile("mini-curves").cases if case.task.name == TASK]
    before, now = ([case for case in cases if name in case.id] for name in ("/jpeg", "/webp"))
    rows = [(_rows(old), _rows(new)) for old, new in zip(before, now, strict=True)]
    population = len(rows[0][0])
    truth = {m.name: m.drop for m in _curve(before, rows, range(population)).metrics}
    random = np.random.default_rng(1)
    for size in SIZES:
        below, above = Counter[str](), Counter[str]()
        for _ in range(runs):
            for metric in _curve(before, rows, random.integers(population, size=size)).metrics:
                assert metric.interval is not None
                below[metric.name] += truth[metric.name] < metric.interval[0]
                above[metric.name] += truth[metric.name] > metric.interval[1]
        for name in truth:
            print(f"n = {size}, {name}: {below[name] / runs:.1%} + {above[name] / runs:.1%}")
    return 0


def _rows(case: Case) -> list[Row]:
    path = baseline_path(BASELINES, "mini-curves", TASK, case.codec.name)
    return sorted(read_baseline(path).evidence.rows, key=lambda row: row.sample_id)


def _curve(
    cases: Sequence[Case], rows: Sequence[tuple[list[Row], list[Row]]], drawn: Sequence[int]
) -> Curve:
    def sample(some: list[Row]) -> list[Row]:
        return [
            replace(some[index], sample_id=f"{place:04}", content_sha256="0" * 64)
            for place, index in enumerate(drawn)
        ]

    pairs = zip(cases, rows, strict=True)
    settings = [paired_setting(case, sample(old), sample(new)) for case, (old, new) in pairs]
    return compare(TASK, "jpeg", settings)


if __name__ == "__main__":
    raise SystemExit(main())
