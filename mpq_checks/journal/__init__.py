"""What was measured so far, kept on disk: a killed run goes on where it stopped."""

from mpq_checks.journal.conditions import conditions_of
from mpq_checks.journal.file import Journal, case_folder

__all__ = ["Journal", "case_folder", "conditions_of"]
