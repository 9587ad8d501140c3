"""The results of a run as one JSON document: what programs read and every report is drawn from."""

from mpq_checks.results.document import SCHEMA, results
from mpq_checks.results.file import read_results, write_results
from mpq_checks.results.printed import has_printed

__all__ = ["SCHEMA", "has_printed", "read_results", "results", "write_results"]
