"""The default profile: six tasks on real data, on a laptop's CPU, in minutes."""

from mpq_checks.codecs import Codec, Encodec, HiFiC, Jpeg, Mbt2018, Mp3, NoCodec, Opus, WebP
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
from mpq_checks.profiles.base import Margin, Profile, cases
from mpq_checks.tasks.image_classification import ImageClassification
from mpq_checks.tasks.segmentation import Segmentation
from mpq_checks.tasks.source_separation import SourceSeparation
from mpq_checks.tasks.speech_recognition import SpeechRecognition

__all__ = [
    "CHEST_XRAY",
    "IMAGENET",
    "IMAGENET_MARGINS",
    "LJSPEECH",
    "LJSPEECH_MARGINS",
    "LUNGS",
    "MUSIC",
    "SOLAR",
    "profile",
]

_IMAGE_CODECS: tuple[Codec, ...] = (
    NoCodec("image"),
    Jpeg(quality=5),
    WebP(quality=0),
    Mbt2018(weights="compact"),
    HiFiC(weights="compact"),
)
_ENCODEC = Encodec(bandwidth_kbps=6.0, model="compact")
_SPEECH_CODECS: tuple[Codec, ...] = (
    NoCodec("audio"),
    Mp3(bitrate_kbps=8),
    Opus(bitrate_kbps=6),
    _ENCODEC,
)

# MP3 has no 8 kbps at 44.1 kHz, so the codec itself goes through 24 kHz.
_MUSIC_CODECS: tuple[Codec, ...] = (
    NoCodec("audio"),
    Mp3(bitrate_kbps=8, sample_rate=24000),
    Opus(bitrate_kbps=6),
    _ENCODEC,
)

IMAGENET = ImageClassification("imagenet-mini", ImagenetMini(), MobileNetV2())
CHEST_XRAY = ImageClassification(
    "chest-xray-mini",
    ChestXrayMini(),
    HuggingFaceImageClassifier.shipped("vit-chest-xray"),
    binary=True,
)
SOLAR = ImageClassification(
    "solar-mini", SolarMini(), HuggingFaceImageClassifier.shipped("vit-solar"), binary=True
)
LUNGS = Segmentation("lungs-mini", LungsMini(), HuggingFaceSegmenter.shipped("segformer-lungs"), 2)
LJSPEECH = SpeechRecognition("ljspeech-mini", LjspeechMini(), OpenAIWhisper())
MUSIC = SourceSeparation("music-mini", MusicMini(), Spleeter())

# With 70 to 128 images flips cannot be bounded closer, so the likelihood is the finer alarm.
_LPIPS = Margin(0.01, "a fifth of one JPEG quality step at quality 5")

IMAGENET_MARGINS = {
    "lpips": _LPIPS,
    "top1": Margin(0.06, "70 samples of which one flips each way leave room for 5.9 points"),
    "nll": Margin(0.1, "0.1 nats: 10% less probability on the truth"),
}
CHEST_XRAY_MARGINS = {
    "lpips": _LPIPS,
    "top1": Margin(0.035, "128 samples of which one flips each way leave room for 3.3 points"),
    "nll": Margin(0.05, "0.05 nats: 5% less probability on the truth"),
    "auc": Margin(0.015, "a point and a half of ranking"),
}
SOLAR_MARGINS = {**CHEST_XRAY_MARGINS, "auc": Margin(0.03, "three points: its ranking is noisier")}
LUNGS_MARGINS = {"lpips": _LPIPS}
LJSPEECH_MARGINS = {
    "cdpam": Margin(0.015, "a third of what MP3 at 8 and Opus at 6 kbps differ by on speech"),
    "wra": Margin(0.025, "14 words of 567: without any change MP3 leaves room for 2.4 points"),
    "token_nll": Margin(0.03, "0.03 nats a token: 3% less probability on the words"),
}
_SDR = Margin(0.2, "0.2 dB: what ten songs can show of an encoder's setting")
MUSIC_MARGINS = {
    "cdpam": Margin(0.03, "a tenth of the distance at these rates; ten songs show no less"),
    **dict.fromkeys((metric.name for metric in MUSIC.scores), _SDR),
}

profile = Profile(
    "mini",
    (
        *cases([IMAGENET], _IMAGE_CODECS, IMAGENET_MARGINS),
        *cases([CHEST_XRAY], _IMAGE_CODECS, CHEST_XRAY_MARGINS),
        *cases([SOLAR], _IMAGE_CODECS, SOLAR_MARGINS),
        *cases([LUNGS], _IMAGE_CODECS, LUNGS_MARGINS),
        *cases([LJSPEECH], _SPEECH_CODECS, LJSPEECH_MARGINS),
        *cases([MUSIC], _MUSIC_CODECS, MUSIC_MARGINS),
    ),
)
"""Six tasks, each uncompressed and under the codecs of its kind: seven in all.

The margins are what so few samples can show.
"""
