"""The models of the paper's study, as the hub names them.

A commit stands where one could be confirmed; "main" is resolved on first use and kept from then on.
Licences are those that the hub states. Sizes are those of the weights in float32.
"""

from mpq_checks.models.hub import HubModel

__all__ = [
    "SEGFORMER_ADE20K",
    "VIT_BEANS",
    "VIT_CHEST_XRAY",
    "VIT_IMAGENET",
    "WHISPER_MEDIUM",
    "WHISPER_TINY",
]

VIT_IMAGENET = HubModel(
    "google/vit-base-patch16-224",
    "3f49326eb077187dfe1c2a2bb15fbd74e6ab91e3",
    "Apache-2.0",
    346_270_624,
)

VIT_CHEST_XRAY = HubModel(
    "lxyuan/vit-xray-pneumonia-classification", "main", "see its page", 343_200_776
)

VIT_BEANS = HubModel(
    "nateraw/vit-base-beans",
    "41f85ace09a4613c2c65495b3b8465c4ceee1d00",
    "Apache-2.0",
    343_203_852,
)

SEGFORMER_ADE20K = HubModel(
    "nvidia/segformer-b0-finetuned-ade-512-512",
    "489d5cd81a0b59fab9b7ea758d3548ebe99677da",
    "NVIDIA Source Code License for SegFormer (no commercial use)",
    15_036_944,
)

WHISPER_TINY = HubModel(
    "openai/whisper-tiny",
    "169d4a4341b33bc18d8881c4b69c2e104e1cc0af",
    "Apache-2.0",
    151_042_560,
)

WHISPER_MEDIUM = HubModel(
    "openai/whisper-medium",
    "abdf7c39ab9d0397620ccaea8974cc764cd0953e",
    "Apache-2.0",
    3_055_431_680,
)
