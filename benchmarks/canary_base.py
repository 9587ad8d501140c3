"""What a canary is: a change of one case of the mini profile, and how to measure under it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

from mpq_checks.codecs.base import Codec
from mpq_checks.evidence import Evidence
from mpq_checks.measure import measure
from mpq_checks.profiles.base import Case
from mpq_checks.profiles.mini import profile

__all__ = [
    "LINKS",
    "Change",
    "ChangedCodec",
    "ChangedModel",
    "ChangedPerceptual",
    "Kind",
    "base_case",
    "codec",
    "harm",
    "loaded_model",
    "loaded_perceptual",
    "model",
    "same",
    "whole",
]

Kind: TypeAlias = Literal["harmful", "harmless", "drift"]
Rewrite: TypeAlias = Callable[[Case], Case]

# Any: signals, streams, loaded models and networks, whichever a change works on.
Function: TypeAlias = Callable[[Any], Any]


LINKS = ("encoded bytes", "decoded signal", "perceptual distance", "model output")
"""The links of the chain, as a judgement names them."""


def same(value: Any) -> Any:
    """The value itself."""
    return value


def base_case(case_id: str) -> Case:
    """A case of the mini profile. Raises LookupError for an unknown id."""
    found = profile.case(case_id)
    if found is None:
        raise LookupError(f"the mini profile has no case {case_id}")
    return found


def whole(case: Case) -> Evidence:
    """All samples, in the order of the dataset."""
    return measure(case, profile=profile.name)


@dataclass(frozen=True)
class Change:
    """One change of one case.

    Attributes:
        slug: short name, unique within the case.
        kind: `harmful`, `harmless` or `drift` (bytes or floats change; reported, not asserted).
        case_id: `task/codec` of the mini profile.
        what: the change in a few words.
        link: the first link of the chain that it moves; None: no link.
        rewrite: makes the changed case, under the same name.
        run: measures it.
        environment: variables of a process of its own; None: measured in this process.
        small: whether the planning figures of `spread` count it among the small codec changes.
    """

    slug: str
    kind: Kind
    case_id: str
    what: str
    link: str | None
    rewrite: Rewrite = same
    run: Callable[[Case], Evidence] = whole
    environment: Mapping[str, str] | None = None
    small: bool = False

    @property
    def name(self) -> str:
        """Name of its evidence file, without the suffix."""
        return f"{self.case_id.replace('/', '.')}.{self.slug}"

    def case(self) -> Case:
        """The changed case."""
        return self.rewrite(base_case(self.case_id))


def harm(
    case_id: str, slug: str, what: str, link: str | None, rewrite: Rewrite, *, small: bool = False
) -> Change:
    """A harmful change, measured on the whole case in this process."""
    return Change(slug, "harmful", case_id, what, link, rewrite, small=small)


@dataclass(frozen=True)
class ChangedCodec:
    """A codec under its own name with some of its steps changed.

    Args:
        codec: the real codec.
        before: applied to the signal before encoding.
        encoder: replaces the encoder; None: the real one.
        written: applied to the stream after encoding.
        read: applied to the stream before decoding.
        decoder: replaces the decoder; None: the real one.
        after: applied to the decoded signal.
    """

    codec: Codec
    before: Function = same
    encoder: Function | None = None
    written: Function = same
    read: Function = same
    decoder: Function | None = None
    after: Function = same

    @property
    def name(self) -> str:
        """Of the real codec."""
        return self.codec.name

    @property
    def modality(self) -> Any:
        """Of the real codec."""
        return self.codec.modality

    @property
    def nominal_rate(self) -> float | None:
        """Of the real codec."""
        return self.codec.nominal_rate

    def identity(self) -> dict[str, str]:
        """Of the real codec: a slip does not announce itself."""
        return self.codec.identity()

    def assets(self) -> tuple[str, ...]:
        """Of the real codec."""
        return self.codec.assets()

    def encode(self, signal: Any, /) -> bytes:
        """The changed stream."""
        encoder = self.encoder or self.codec.encode
        stream: bytes = self.written(encoder(self.before(signal)))
        return stream

    def decode(self, data: bytes, /) -> Any:
        """The changed signal."""
        decoder = self.decoder or self.codec.decode
        return self.after(decoder(self.read(data)))


@dataclass(frozen=True)
class ChangedModel:
    """A model that is changed once it is in memory."""

    model: Any
    change: Function

    def identity(self) -> dict[str, str]:
        """Of the real model."""
        identity: dict[str, str] = self.model.identity()
        return identity

    def assets(self) -> tuple[str, ...]:
        """Of the real model."""
        names: tuple[str, ...] = self.model.assets()
        return names

    def load(self, device: str) -> Any:
        """The changed model."""
        return self.change(self.model.load(device))


@dataclass(frozen=True)
class ChangedPerceptual(ChangedModel):
    """A perceptual metric that is changed once it is in memory."""

    @property
    def metric(self) -> Any:
        """Of the real metric."""
        return self.model.metric


def codec(**steps: Function) -> Rewrite:
    """Change steps of the codec; see ChangedCodec."""
    return lambda case: replace(case, codec=ChangedCodec(case.codec, **steps))


def model(other: Any) -> Rewrite:
    """Put another model in the place of the task's."""
    return lambda case: replace(case, task=replace(_task(case), model=other))


def loaded_model(change: Function) -> Rewrite:
    """Change the task's model once it is in memory."""
    return lambda case: model(ChangedModel(_task(case).model, change))(case)


def loaded_perceptual(change: Function) -> Rewrite:
    """Change the perceptual metric once it is in memory."""

    def rewrite(case: Case) -> Case:
        changed = ChangedPerceptual(case.task.perceptual, change)
        return replace(case, task=replace(_task(case), perceptual=changed))

    return rewrite


# Any: the tasks of the mini profile are dataclasses with a model, which the protocol leaves open.
def _task(case: Case) -> Any:
    return case.task
