"""Every error this package raises on purpose.

MpqError
├── SignalError        an image or audio signal that cannot be used as it is
├── CodecError         a codec that cannot do its work
│   ├── CodecSettingError   a setting the format does not have
│   ├── EncodingError       the encoder failed
│   └── DecodingError       bytes that are not a whole, valid stream of this codec
├── AssetError         weights or data
│   ├── AssetMissingError   not cached, and not to be fetched
│   ├── AssetCorruptError   the SHA-256 or the form is not the pinned one
│   └── AssetStorageError   the cache folder cannot be written
├── DatasetError       a dataset or one of its samples
├── ModelError         a model that cannot be loaded or run
├── MetricError        a metric asked for something it does not define
├── EvidenceError      evidence that does not have the stated form
├── BaselineError      a stored baseline that is missing, corrupt, foreign or of other samples
│   └── SourceDataError     a sample whose source data is not that of the baseline
├── CurveError         rates and scores that make no curve, or two that cannot be compared
├── ResultsError       a results file or report that cannot be read or made
├── ProfileError       a profile, case, margin or name that does not hold together
├── JournalError       a journal of what was measured that cannot be read or written
└── MeasurementError   a case that could not be measured to its end

Each message names what was found (file, field, value) and what to do about it.
"""

__all__ = [
    "AssetCorruptError",
    "AssetError",
    "AssetMissingError",
    "AssetStorageError",
    "BaselineError",
    "CodecError",
    "CodecSettingError",
    "CurveError",
    "DatasetError",
    "DecodingError",
    "EncodingError",
    "EvidenceError",
    "JournalError",
    "MeasurementError",
    "MetricError",
    "ModelError",
    "MpqError",
    "ProfileError",
    "ResultsError",
    "SignalError",
    "SourceDataError",
]


class MpqError(Exception):
    """Base of all errors raised on purpose by mpq_checks."""


class SignalError(MpqError):
    """An image or audio signal that cannot be used as it is."""


class CodecError(MpqError):
    """A codec cannot do its work."""


class CodecSettingError(CodecError):
    """A setting that the format does not have; the message lists the legal values."""


class EncodingError(CodecError):
    """The encoder failed."""


class DecodingError(CodecError):
    """The bytes are not a whole, valid stream of this codec."""


class AssetError(MpqError):
    """Weights or data that cannot be had."""


class AssetMissingError(AssetError):
    """An asset is not cached and cannot be fetched."""


class AssetCorruptError(AssetError):
    """An asset does not have the pinned SHA-256, size or form."""


class AssetStorageError(AssetError):
    """The cache folder cannot be written."""


class DatasetError(MpqError):
    """A dataset or one of its samples cannot be read."""


class ModelError(MpqError):
    """A model cannot be loaded or run."""


class MetricError(MpqError):
    """A metric was asked for something it does not define."""


class EvidenceError(MpqError):
    """Evidence does not have the stated form."""


class BaselineError(MpqError):
    """A stored baseline is missing, corrupt, foreign or of other samples."""


class SourceDataError(BaselineError):
    """A sample's source data is not what the baseline was accepted with."""


class CurveError(MpqError):
    """Rates and scores make no curve, or two curves cannot be compared."""


class ResultsError(MpqError):
    """Results of a run cannot be read, or no report can be made of them."""


class ProfileError(MpqError):
    """A profile, case, margin or name does not hold together."""


class JournalError(MpqError):
    """A journal of what was measured cannot be read or written."""


class MeasurementError(MpqError):
    """A case could not be measured to its end; the cause says why."""
