#!/usr/bin/env bash
# Everything that a change must pass: linter, formatter, types, the framework's tests, the mini gate.
set -euo pipefail
cd "$(dirname "$0")/.."
ruff check .
ruff format --check .
mypy
pytest tests/ -n auto
pytest suites/ -n auto
