"""The official HiFiC: its metagraph, run by TensorFlow in an environment of its own."""

from mpq_checks.codecs.tfci.hific import (
    METAGRAPHS,
    Quality,
    decode,
    encode,
    identity,
)

__all__ = ["METAGRAPHS", "Quality", "decode", "encode", "identity"]
