"""What an update of baselines changes: the new ones are judged against the old ones."""

from mpq_checks.review.compare import CaseChange, Kind, OtherFile, Review, compare
from mpq_checks.review.markdown import markdown_text
from mpq_checks.review.output import write_review
from mpq_checks.review.sides import Side, opened
from mpq_checks.review.text import print_review

__all__ = [
    "CaseChange",
    "Kind",
    "OtherFile",
    "Review",
    "Side",
    "compare",
    "markdown_text",
    "opened",
    "print_review",
    "write_review",
]
