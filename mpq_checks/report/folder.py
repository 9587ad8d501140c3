"""The folder that `--mpq-report` and `mpq report` write: the page, and what it is drawn from."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mpq_checks.errors import ResultsError
from mpq_checks.exhibits import make_exhibits
from mpq_checks.profiles.base import Profile
from mpq_checks.report.html import write_report
from mpq_checks.results import write_results

__all__ = ["RESULTS", "write_report_folder"]

RESULTS = "results.json"


def write_report_folder(
    folder: Path,
    document: Mapping[str, Any],
    profile: Profile | None,
    *,
    device: str = "cpu",
    without_samples: str = "",
) -> Path:
    """Write `index.html` and `results.json`, each in one step; other files stay.

    Args:
        folder: made if it does not exist.
        document: results of a run.
        profile: that the run had: its samples are coded anew to be shown. None: they are not.
        device: where models run for that.
        without_samples: why the page shows no samples, where there is no profile.

    Returns:
        The page.

    Raises:
        ResultsError: the folder cannot be written.
    """
    exhibits = () if profile is None else make_exhibits(profile, document, device)
    page = write_report(folder, document, exhibits, without_exhibits=without_samples)
    try:
        write_results(folder / RESULTS, document)
    except OSError as error:
        raise ResultsError(f"{folder / RESULTS}: cannot be written ({error})") from error
    return page
