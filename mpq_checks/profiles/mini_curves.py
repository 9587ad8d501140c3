"""Rate-score curves: a task of images and one of speech, each codec at four settings."""

from mpq_checks.codecs import Codec, Jpeg, Mp3, Opus, WebP
from mpq_checks.datasets.imagenet_mini import ImagenetMini
from mpq_checks.datasets.ljspeech_mini import LjspeechMini
from mpq_checks.models.mobilenet import MobileNetV2
from mpq_checks.models.whisper import OpenAIWhisper
from mpq_checks.profiles.base import Profile, cases
from mpq_checks.tasks.image_classification import ImageClassification
from mpq_checks.tasks.speech_recognition import SpeechRecognition

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
        *cases(
            [ImageClassification("imagenet-mini", ImagenetMini(), MobileNetV2())], _IMAGE_CODECS
        ),
        *cases(
            [SpeechRecognition("ljspeech-mini", LjspeechMini(), OpenAIWhisper())], _SPEECH_CODECS
        ),
    ),
)
