"""One process' copy of a shared document: what is settled with the others, and what only it has seen."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, NamedTuple, Protocol, TypeVar

import msgspec

DOCUMENT_BYTES_MAX = 65_536
OBSERVATIONS_MAX = 10_000
NOTHING = b""

Document = TypeVar("Document")
Observation = TypeVar("Observation")
Observation_contra = TypeVar("Observation_contra", contravariant=True)


class Reducer(Protocol[Document, Observation_contra]):
    """How documents of a kind come about; pure apart from chance."""

    def initial(self) -> Document:
        """Where nothing was observed yet."""
        ...

    def fold(self, document: Document, observations: Sequence[Observation_contra]) -> Document:
        """The document behind what one process observed, in that order."""
        ...

    def merge(self, one: Document, other: Document) -> Document:
        """One document of two that parted: the same in whatever order, and however often."""
        ...


@dataclass(frozen=True, slots=True)
class Kind(Generic[Document, Observation]):
    """A kind of documents; they are kept as JSON."""

    document_type: type[Document]
    reducer: Reducer[Document, Observation]

    def encode(self, document: Document) -> bytes:
        """The document as it is kept; equal ones are the same bytes."""
        return msgspec.json.encode(document)

    def decode(self, held: bytes) -> Document | None:
        """The document that was kept; None for what is none."""
        if not held or len(held) > DOCUMENT_BYTES_MAX:
            return None
        try:
            return msgspec.json.decode(held, type=self.document_type)
        except msgspec.MsgspecError:
            return None


class Change(NamedTuple, Generic[Document]):
    """What the settled document was and is."""

    before: Document
    after: Document


@dataclass(frozen=True, slots=True)
class Proposal(Generic[Document]):
    """``proposed`` is to be held instead of ``held``; it has the first ``count`` observations in it."""

    held: bytes
    proposed: bytes
    document: Document
    count: int


class DocumentCopy(Generic[Document, Observation]):
    """Any number of threads may observe; one at a time proposes and says what came of it.

    ``document`` is the settled one with everything in it that this process observed since. ``used_at_s``
    and ``fresh_at_s`` are for whoever keeps the copy.
    """

    def __init__(self, key: str, kind: Kind[Document, Observation]) -> None:
        self.key = key
        self.document = kind.reducer.initial()
        self.used_at_s = self.fresh_at_s = float("-inf")
        self._kind = kind
        self._settled = self.document
        self._held = NOTHING
        self._waiting: list[Observation] = []
        self._parted = False
        self._lock = threading.Lock()

    @property
    def has_news(self) -> bool:
        """Whether there is something to propose."""
        return self._parted or bool(self._waiting)

    def observe(self, observation: Observation) -> None:
        """Counts at once; it is dropped where too many wait to be proposed."""
        with self._lock:
            if len(self._waiting) < OBSERVATIONS_MAX:
                self._waiting.append(observation)
                self.document = self._kind.reducer.fold(self.document, [observation])

    def propose(self) -> Proposal[Document]:
        """What was observed."""
        with self._lock:
            return self._proposal(self._with_waiting())

    def propose_change(self, change: Callable[[Document], Document | None]) -> Proposal[Document] | None:
        """The same with ``change`` behind it; None where that declines."""
        with self._lock:
            document = change(self._with_waiting())
            return None if document is None else self._proposal(document)

    def accepted(self, proposal: Proposal[Document]) -> Change[Document]:
        """The proposal is what is held now."""
        with self._lock:
            self._held = proposal.proposed
            self._parted = False
            return self._take(proposal)

    def went_alone(self, proposal: Proposal[Document]) -> Change[Document]:
        """The proposal counts here, and the others have to hear of it later."""
        with self._lock:
            self._parted = True
            return self._take(proposal)

    def found(self, held: bytes) -> Change[Document]:
        """This is held; where it is no document, the others have to hear what is settled here."""
        with self._lock:
            if held == self._held:
                return Change(self._settled, self._settled)
            self._held = held
            document = self._kind.decode(held)
            if document is None:
                self._parted = self._parted or self._settled != self._kind.reducer.initial()
                return Change(self._settled, self._settled)
            if self._parted:
                document = self._kind.reducer.merge(self._settled, document)
            return self._settle(document)

    def _proposal(self, document: Document) -> Proposal[Document]:
        return Proposal(self._held, self._kind.encode(document), document, len(self._waiting))

    def _take(self, proposal: Proposal[Document]) -> Change[Document]:
        del self._waiting[: proposal.count]
        return self._settle(proposal.document)

    def _settle(self, document: Document) -> Change[Document]:
        change = Change(self._settled, document)
        self._settled = document
        self.document = self._with_waiting()
        return change

    def _with_waiting(self) -> Document:
        return self._kind.reducer.fold(self._settled, self._waiting) if self._waiting else self._settled
