"""The files of a review: what `mpq diff --output` writes."""

from pathlib import Path

from mpq_checks.errors import ResultsError
from mpq_checks.results import results, write_results
from mpq_checks.review.compare import Review

__all__ = ["write_review"]


def write_review(folder: Path, review: Review) -> Path:
    """Write `results.json` of the run that the review stands for; returns its path.

    Raises:
        ResultsError: the folder cannot be written.
    """
    document = results(review.profile, review.outcomes, review.old.folder)
    path = folder / "results.json"
    try:
        write_results(path, document)
    except OSError as error:
        raise ResultsError(f"{path}: cannot be written ({error.strerror or error})") from error
    return path
