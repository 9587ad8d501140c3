"""How much noise to expect of a comparison, before there is a candidate to compare.

Measured by `benchmarks/canaries.py spread`; see docs/explanation/statistics.md.
"""

from collections.abc import Mapping

__all__ = ["PLANNED_SHARES", "planned_share"]

PLANNED_SHARES: Mapping[str, float] = {
    "bits_per_pixel": 0.23,
    "bits_per_sample": 0.03,
    "psnr_db": 0.14,
    "lpips": 0.25,
    "cdpam": 0.12,
    "top1": 0.09,
    "nll": 0.34,
    "auc": 0.31,
    "mean_iou": 0.21,
    "wra": 0.74,
    "token_nll": 0.16,
    "sdr_db": 0.13,
    "vocals_sdr_db": 0.10,
    "accompaniment_sdr_db": 0.12,
    "global_sdr_db": 0.22,
    "magnitude_sdr_db": 0.24,
    "mixture_sdr_db": 0.07,
}
"""Medians over small changes of codecs: one quality step, another encoder preset."""

_UNKNOWN = 0.34


def planned_share(metric: str) -> float:
    """Standard deviation of the differences between two versions, per that between samples.

    For top-1 it is the share of samples that flip either way. Metrics that were not measured get
    the share of the NLL, the largest but that of WRA.
    """
    return PLANNED_SHARES.get(metric, _UNKNOWN)
