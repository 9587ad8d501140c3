"""Semantic segmentation of compressed images."""

import pytest


@pytest.mark.mpq(kind="segmentation")
def test_segmentation(mpq_case):
    mpq_case.check()
