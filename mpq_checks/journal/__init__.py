"""What was measured so far, kept on disk: a killed run goes on where it stopped."""

from mpq_checks.journal.file import Journal, case_folder
from mpq_checks.journal.measurement import measurement

__all__ = ["Journal", "case_folder", "measurement"]
