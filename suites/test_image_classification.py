"""Image classifiers on compressed images."""

import pytest


@pytest.mark.mpq(kind="image_classification")
def test_image_classification(mpq_case):
    mpq_case.check()
