"""Rate and quality together: curves of codecs with several settings, beside the verdicts."""

from mpq_checks.curves.comparison import Curve, CurveMetric, compare
from mpq_checks.curves.run import curves_of_run
from mpq_checks.curves.setting import Setting, paired_setting

__all__ = ["Curve", "CurveMetric", "Setting", "compare", "curves_of_run", "paired_setting"]
