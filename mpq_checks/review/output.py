"""The files of a review: what `mpq diff --output` writes."""

from pathlib import Path

from mpq_checks.report.folder import write_report_folder
from mpq_checks.results import results
from mpq_checks.review.account import headline, title
from mpq_checks.review.compare import Review

__all__ = ["write_review"]

_NO_SAMPLES = (
    "Baselines hold hashes of what was decoded, not the signals, so there is nothing to show. "
    "Run the gate with --mpq-report to see and hear samples."
)


def write_review(folder: Path, review: Review) -> Path:
    """Write the report of the run that the review stands for; returns its page.

    Raises:
        ResultsError: the folder cannot be written.
    """
    told = f"{title(review)}: {headline(review)}"
    document = results(review.profile, review.outcomes, review.old.folder, review=told)
    return write_report_folder(folder, document, None, without_samples=_NO_SAMPLES)
