"""The study of "Machine Perceptual Quality" (Jacobellis et al., 2024), with its errors mended.

Datasets, splits, models, codecs and settings are the paper's. What its code did otherwise than
meant is done as meant: rates in bits; MP3 at 8 kbps, which needs 24 kHz; Opus at the signal's own
rate; LPIPS and CDPAM in their networks' range; SegFormer's logits enlarged before classes are
taken; words compared in normal form; Demucs of version 3. `paper_as_published` repeats the
errors.
"""

from mpq_checks.codecs import Codec, Encodec, HiFiC, Jpeg, Mbt2018, Mp3, NoCodec, Opus, WebP
from mpq_checks.datasets.paper import Ade20k, Beans, ChestXray, CommonVoice, ImageNet, Musdb
from mpq_checks.datasets.paper.ade20k import NUM_CLASSES
from mpq_checks.metrics.cdpam import Cdpam
from mpq_checks.metrics.lpips import Lpips
from mpq_checks.models.demucs import STEMS, Demucs
from mpq_checks.models.huggingface import HuggingFaceImageClassifier, HuggingFaceSegmenter
from mpq_checks.models.paper import (
    SEGFORMER_ADE20K,
    VIT_BEANS,
    VIT_CHEST_XRAY,
    VIT_IMAGENET,
    WHISPER_MEDIUM,
    WHISPER_TINY,
)
from mpq_checks.models.whisper import HuggingFaceWhisper
from mpq_checks.profiles.base import Margin, Profile, cases
from mpq_checks.tasks.image_classification import ImageClassification
from mpq_checks.tasks.segmentation import Segmentation
from mpq_checks.tasks.source_separation import SourceSeparation
from mpq_checks.tasks.speech_recognition import SpeechRecognition

__all__ = [
    "ADE20K",
    "BEANS",
    "BEANS_MARGINS",
    "CHEST_XRAY",
    "CLIPS_AT_ONCE",
    "IMAGENET",
    "IMAGE_CODECS",
    "MUSIC_MARGINS",
    "profile",
]

_IMAGES_AT_ONCE = 16

CLIPS_AT_ONCE = 8
"""How many go through a Whisper together."""

IMAGE_CODECS: tuple[Codec, ...] = (
    NoCodec("image"),
    Jpeg(quality=5),
    WebP(quality=0),
    Mbt2018(quality=1),
    HiFiC(quality="lo"),
)

# MP3 has no 8 kbps at 32, 44.1 and 48 kHz, so the codec itself goes through 24 kHz.
_AUDIO_CODECS: tuple[Codec, ...] = (
    NoCodec("audio"),
    Mp3(bitrate_kbps=8, sample_rate=24_000),
    Opus(bitrate_kbps=6),
    Encodec(bandwidth_kbps=6.0, model="48khz"),
)

_LPIPS = Lpips(net="vgg")
_SPEECH_CDPAM = Cdpam(window_seconds=None)
_MUSIC_CDPAM = Cdpam(window_seconds=10.0)

IMAGENET = ImageClassification(
    "imagenet-1k",
    ImageNet(),
    HuggingFaceImageClassifier(VIT_IMAGENET, batch_size=_IMAGES_AT_ONCE),
    _LPIPS,
    cost=800.0,
)
CHEST_XRAY = ImageClassification(
    "chest-xray",
    ChestXray(),
    HuggingFaceImageClassifier(VIT_CHEST_XRAY, batch_size=_IMAGES_AT_ONCE),
    _LPIPS,
    binary=True,
    cost=1800.0,
)
BEANS = ImageClassification(
    "beans",
    Beans(),
    HuggingFaceImageClassifier(VIT_BEANS, batch_size=_IMAGES_AT_ONCE),
    _LPIPS,
    cost=200.0,
)
ADE20K = Segmentation(
    "ade20k",
    Ade20k(),
    HuggingFaceSegmenter(SEGFORMER_ADE20K, batch_size=_IMAGES_AT_ONCE),
    NUM_CLASSES,
    _LPIPS,
    cost=3000.0,
)
_COMMON_VOICE = SpeechRecognition(
    "common-voice-11",
    CommonVoice(),
    HuggingFaceWhisper(WHISPER_MEDIUM, batch_size=CLIPS_AT_ONCE),
    _SPEECH_CDPAM,
    cost=20_000.0,
)
_COMMON_VOICE_TINY = SpeechRecognition(
    "common-voice-11-tiny",
    CommonVoice(),
    HuggingFaceWhisper(WHISPER_TINY, batch_size=CLIPS_AT_ONCE),
    _SPEECH_CDPAM,
    cost=10_000.0,
)
_MUSDB = SourceSeparation(
    "musdb18-hq",
    Musdb(),
    Demucs("hdemucs_mmi"),
    STEMS,
    _MUSIC_CDPAM,
    cost=30_000.0,
)

BEANS_MARGINS = {
    "lpips": Margin(0.01, "a fifth of one JPEG quality step at quality 5"),
    "top1": Margin(0.035, "133 samples of which one flips each way leave room for 3.2 points"),
    "nll": Margin(0.05, "0.05 nats: 5% less probability on the truth"),
}
MUSIC_MARGINS = {f"{stem}_sdr_db": Margin(0.1, "0.1 dB") for stem in STEMS}

profile = Profile(
    "paper",
    (
        *cases([IMAGENET, CHEST_XRAY], IMAGE_CODECS),
        *cases([BEANS], IMAGE_CODECS, BEANS_MARGINS),
        *cases([ADE20K], IMAGE_CODECS),
        *cases([_COMMON_VOICE, _COMMON_VOICE_TINY], _AUDIO_CODECS),
        *cases([_MUSDB], _AUDIO_CODECS, MUSIC_MARGINS),
    ),
)
"""22 pairs of codec and dataset and six uncompressed, and speech once more through Whisper tiny."""
