"""Codecs: one module each, all with the form of `mpq_checks.codecs.base.Codec`."""

from mpq_checks.codecs.base import BatchCodec, Codec
from mpq_checks.codecs.encodec import Encodec
from mpq_checks.codecs.hific import HiFiC
from mpq_checks.codecs.jpeg import Jpeg
from mpq_checks.codecs.mbt2018 import Mbt2018
from mpq_checks.codecs.mp3 import Mp3
from mpq_checks.codecs.msillm import Msillm
from mpq_checks.codecs.none import NoCodec
from mpq_checks.codecs.opus import Opus
from mpq_checks.codecs.webp import WebP

__all__ = [
    "BatchCodec",
    "Codec",
    "Encodec",
    "HiFiC",
    "Jpeg",
    "Mbt2018",
    "Mp3",
    "Msillm",
    "NoCodec",
    "Opus",
    "WebP",
]
