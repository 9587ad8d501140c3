"""Default margins by metric: the drop that is accepted, and why.

docs/reference/margins.md explains them. They suit data sets of a thousand samples and more;
`mpq doctor` tells how many each needs.
"""

from collections.abc import Mapping

from mpq_checks.profiles.base import Margin

__all__ = ["DEFAULT_MARGINS"]

DEFAULT_MARGINS: Mapping[str, Margin] = {
    "bits_per_pixel": Margin(0.02, "2% more bits", relative=True),
    "bits_per_sample": Margin(0.02, "2% more bits", relative=True),
    "psnr_db": Margin(0.1, "a tenth of one JPEG quality step at quality 5"),
    "lpips": Margin(0.005, "a ninth of one JPEG quality step at quality 5"),
    "cdpam": Margin(0.01, "a quarter of what MP3 at 8 and Opus at 6 kbps differ by on speech"),
    "top1": Margin(0.005, "half a point more errors"),
    "nll": Margin(0.02, "0.02 nats: 2% less probability on the truth"),
    "auc": Margin(0.005, "half a point of ranking"),
    "mean_iou": Margin(0.005, "half a point"),
    "wra": Margin(0.005, "half a point more word errors"),
    "token_nll": Margin(0.02, "0.02 nats a token: 2% less probability on the words"),
    "sdr_db": Margin(0.1, "0.1 dB"),
    "vocals_sdr_db": Margin(0.1, "0.1 dB"),
    "accompaniment_sdr_db": Margin(0.1, "0.1 dB"),
    "global_sdr_db": Margin(0.1, "0.1 dB"),
    "magnitude_sdr_db": Margin(0.1, "0.1 dB"),
    "mixture_sdr_db": Margin(0.1, "0.1 dB"),
}
