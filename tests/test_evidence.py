import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from row_strategies import ROWS

from mpq_checks.errors import EvidenceError
from mpq_checks.evidence import Row, decode_floats, encode_floats, round_floats


@settings(max_examples=100, deadline=None)
@given(ROWS)
def test_a_row_survives_strict_json(row):
    text = json.dumps(row.to_json(), allow_nan=False)
    assert Row.from_json(json.loads(text), "row") == row


def test_a_transcript_that_says_inf_stays_text():
    row = Row("a", None, "0" * 64, 1, "0" * 64, "0" * 64, 1.0, math.inf, 0.0, {"hypothesis": "inf"})
    back = Row.from_json(json.loads(json.dumps(row.to_json())), "row")
    assert back.statistics["hypothesis"] == "inf"
    assert back.psnr_db == math.inf


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("sample_id", 3),
        ("content_sha256", "abc"),
        ("encoded_sha256", "g" * 64),
        ("encoded_bytes", 1.5),
        ("encoded_bytes", True),
        ("encoded_bytes", -1),
        ("rate", "fast"),
        ("psnr_db", None),
        ("perceptual", -0.1),
        ("statistics", []),
        ("cluster", 7),
    ],
)
def test_a_wrong_field_is_named(field, value):
    good = Row("a", None, "0" * 64, 1, "0" * 64, "0" * 64, 1.0, 30.0, 0.5, {}).to_json()
    with pytest.raises(EvidenceError, match=rf"samples\[4\].*{field}"):
        Row.from_json({**good, field: value}, "samples[4]")


def test_missing_and_unknown_fields_are_named():
    good = Row("a", None, "0" * 64, 1, "0" * 64, "0" * 64, 1.0, 30.0, 0.5, {}).to_json()
    del good["rate"]
    with pytest.raises(EvidenceError, match="colour, rate"):
        Row.from_json({**good, "colour": 1}, "samples[0]")


def test_nan_and_numpy_scalars_are_refused():
    with pytest.raises(EvidenceError, match="NaN"):
        round_floats({"nll": [1.0, math.nan]})
    with pytest.raises(EvidenceError, match="float32"):
        round_floats(np.float32(1.0))
    with pytest.raises(EvidenceError, match="float64"):
        round_floats(np.float64(1.0))


@given(st.floats(allow_nan=False))
def test_rounding_keeps_nine_digits_and_is_idempotent(value):
    once = round_floats(value)
    assert round_floats(once) == once
    assert decode_floats(encode_floats(once)) == once
    if math.isfinite(value) and value:
        assert math.isclose(once, value, rel_tol=1e-8)
