"""Rate-score curves: a task of images and one of speech, each codec at four settings."""

from mpq_checks.codecs import Codec, Jpeg, Mp3, Opus, WebP
from mpq_checks.profiles.base import Profile, cases
from mpq_checks.profiles.mini import IMAGENET, IMAGENET_MARGINS, LJSPEECH, LJSPEECH_MARGINS

__all__ = ["profile"]

_IMAGE_CODECS: tuple[Codec, ...] = (
    *(Jpeg(quality) for quality in (5, 10, 20, 40)),
    *(WebP(quality) for quality in (0, 10, 30, 60)),
)
_SPEECH_CODECS: tuple[Codec, ...] = (
    *(Mp3(kbps) for kbps in (8, 16, 24, 32)),
    *(Opus(kbps) for kbps in (6, 8, 12, 16)),
)

profile = Profile(
    "mini-curves",
    (
        *cases([IMAGENET], _IMAGE_CODECS, IMAGENET_MARGINS),
        *cases([LJSPEECH], _SPEECH_CODECS, LJSPEECH_MARGINS),
    ),
)
"""Two tasks under four codecs with four settings each; run it when a codec changes."""
