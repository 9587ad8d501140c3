"""Made-up evidence of a codec at several rates, for the tests of curves."""

import math
from collections.abc import Iterator, Sequence

import numpy as np
from toy_gate import MARGINS, ToyTask

from mpq_checks.codecs import Jpeg
from mpq_checks.curves import Curve, Setting, compare, paired_setting
from mpq_checks.evidence import Row
from mpq_checks.metrics.tally import Array
from mpq_checks.profiles import Case, cases
from mpq_checks.significance.resampling import NUM_RESAMPLES, cluster_counts

QUALITIES = (10, 20, 40, 80)
RATES = (0.2, 0.4, 0.8, 1.6)
CASES: tuple[Case, ...] = cases([ToyTask()], [Jpeg(q) for q in QUALITIES], MARGINS)


def line(log_rate: float) -> float:
    """A score that falls by 2 with ten times the rate."""
    return 3.0 - 2.0 * log_rate


def rows(
    rate: float, nll: float, *, num_samples: int = 12, seed: int = 0, cluster_size: int = 0
) -> list[Row]:
    """Samples whose mean rate and mean nll are these; the rest follows from them."""
    random = np.random.default_rng(seed)
    ease = random.normal(0, 0.1, num_samples)
    size = random.uniform(-0.3, 0.3, num_samples)
    ease, size = ease - ease.mean(), size - size.mean()
    return [
        Row(
            sample_id=f"sample-{index:03}",
            cluster=f"cluster-{index // cluster_size}" if cluster_size else None,
            content_sha256=f"{index:064x}",
            encoded_bytes=1,
            encoded_sha256="0" * 64,
            decoded_sha256="0" * 64,
            rate=rate * (1 + size[index]),
            psnr_db=30 + 10 * math.log10(rate) + ease[index],
            perceptual=0.1 / rate,
            statistics={"correct": index % 2, "nll": nll + ease[index], "predicted": 0},
        )
        for index in range(num_samples)
    ]


def settings(
    before: Sequence[Sequence[Row]], now: Sequence[Sequence[Row]], of: Sequence[Case] = CASES
) -> list[Setting]:
    """Pair the rows of each case."""
    return [paired_setting(*each) for each in zip(of, before, now, strict=False)]


def compared(before: Sequence[Sequence[Row]], now: Sequence[Sequence[Row]]) -> Curve:
    """The curve of now against that of before."""
    return compare("toy", "jpeg", settings(before, now))


def on_line(*, factor: float = 1.0, above: float = 0.0, **options: int) -> list[list[Row]]:
    """Settings on the line, at rates times `factor`, that much worse."""
    return [
        rows(rate * factor, line(math.log10(rate * factor)) + above, **options) for rate in RATES
    ]


def few_resamples(num_clusters: int) -> Iterator[Array]:
    """A tenth of the resamples: a test has many curves."""
    yield next(iter(cluster_counts(num_clusters)))[: NUM_RESAMPLES // 10]
