"""`python -m mpq_checks` is `mpq`."""

from mpq_checks.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
