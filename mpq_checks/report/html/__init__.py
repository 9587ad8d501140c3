"""The report for people: one HTML page that needs nothing else."""

from mpq_checks.report.html.page import PAGE, write_report

__all__ = ["PAGE", "write_report"]
