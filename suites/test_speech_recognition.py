"""Speech recognition on compressed speech."""

import pytest


@pytest.mark.mpq(kind="speech_recognition")
def test_speech_recognition(mpq_case):
    mpq_case.check()
