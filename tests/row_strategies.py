"""Hypothesis strategies for evidence."""

import math

from hypothesis import strategies as st

from mpq_checks.evidence import Row

SHA = st.text("0123456789abcdef", min_size=64, max_size=64)
FINITE = st.floats(0, 1e6, allow_nan=False)

ROWS = st.builds(
    Row,
    sample_id=st.text(min_size=1),
    cluster=st.none() | st.text(),
    content_sha256=SHA,
    encoded_bytes=st.integers(0, 2**40),
    encoded_sha256=SHA,
    decoded_sha256=SHA,
    rate=FINITE,
    psnr_db=st.floats(-100, 400) | st.just(math.inf),
    perceptual=FINITE,
    statistics=st.dictionaries(st.text(), st.integers() | FINITE | st.text() | st.lists(FINITE)),
)
