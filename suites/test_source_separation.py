"""Source separation of compressed music."""

import pytest


@pytest.mark.mpq(kind="source_separation")
def test_source_separation(mpq_case):
    mpq_case.check()
