"""The six datasets of the paper, from the hub or from a folder in their publisher's own layout."""

from mpq_checks.datasets.paper.ade20k import Ade20k
from mpq_checks.datasets.paper.beans import Beans
from mpq_checks.datasets.paper.chest_xray import ChestXray
from mpq_checks.datasets.paper.common_voice import CommonVoice
from mpq_checks.datasets.paper.imagenet import ImageNet
from mpq_checks.datasets.paper.musdb import Musdb

__all__ = ["Ade20k", "Beans", "ChestXray", "CommonVoice", "ImageNet", "Musdb"]
