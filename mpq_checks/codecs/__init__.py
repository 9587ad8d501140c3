"""Codecs: one module each, all with the form of `mpq_checks.codecs.base.Codec`."""

from mpq_checks.codecs.base import Codec
from mpq_checks.codecs.jpeg import Jpeg
from mpq_checks.codecs.mp3 import Mp3
from mpq_checks.codecs.none import NoCodec
from mpq_checks.codecs.opus import Opus
from mpq_checks.codecs.webp import WebP

__all__ = ["Codec", "Jpeg", "Mp3", "NoCodec", "Opus", "WebP"]
