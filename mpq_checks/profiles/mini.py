"""The default profile: six tasks on real data, on a laptop's CPU, in minutes."""

from mpq_checks.codecs import Jpeg, Mp3, NoCodec, Opus, WebP
from mpq_checks.datasets.chest_xray_mini import ChestXrayMini
from mpq_checks.datasets.imagenet_mini import ImagenetMini
from mpq_checks.datasets.ljspeech_mini import LjspeechMini
from mpq_checks.datasets.lungs_mini import LungsMini
from mpq_checks.datasets.music_mini import MusicMini
from mpq_checks.datasets.solar_mini import SolarMini
from mpq_checks.models.huggingface import HuggingFaceImageClassifier, HuggingFaceSegmenter
from mpq_checks.models.mobilenet import MobileNetV2
from mpq_checks.models.spleeter import Spleeter
from mpq_checks.models.whisper import OpenAIWhisper
from mpq_checks.profiles.base import Profile, cases
from mpq_checks.tasks.image_classification import ImageClassification
from mpq_checks.tasks.segmentation import Segmentation
from mpq_checks.tasks.source_separation import SourceSeparation
from mpq_checks.tasks.speech_recognition import SpeechRecognition

__all__ = ["profile"]

_IMAGE_CODECS = (NoCodec("image"), Jpeg(quality=5), WebP(quality=0))
_SPEECH_CODECS = (NoCodec("audio"), Mp3(bitrate_kbps=8), Opus(bitrate_kbps=6))

# MP3 has no 8 kbps at 44.1 kHz, so the codec itself goes through 24 kHz.
_MUSIC_CODECS = (NoCodec("audio"), Mp3(bitrate_kbps=8, sample_rate=24000), Opus(bitrate_kbps=6))

_IMAGE_TASKS = (
    ImageClassification("imagenet-mini", ImagenetMini(), MobileNetV2()),
    ImageClassification(
        "chest-xray-mini",
        ChestXrayMini(),
        HuggingFaceImageClassifier.shipped("vit-chest-xray"),
        binary=True,
    ),
    ImageClassification(
        "solar-mini", SolarMini(), HuggingFaceImageClassifier.shipped("vit-solar"), binary=True
    ),
    Segmentation("lungs-mini", LungsMini(), HuggingFaceSegmenter.shipped("segformer-lungs"), 2),
)

profile = Profile(
    "mini",
    (
        *cases(_IMAGE_TASKS, _IMAGE_CODECS),
        *cases(
            [SpeechRecognition("ljspeech-mini", LjspeechMini(), OpenAIWhisper())], _SPEECH_CODECS
        ),
        *cases([SourceSeparation("music-mini", MusicMini(), Spleeter())], _MUSIC_CODECS),
    ),
)
