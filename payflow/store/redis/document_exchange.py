"""Settles copies of documents with what Redis holds, by compare-and-set."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

import redis

from payflow.store.redis.document_copy import NOTHING, DocumentCopy, Proposal
from payflow.store.redis.optional_redis import OptionalRedis

ROUNDS_MAX = 5

# Compares whole values and not versions: equal values are the same document, and nonsense has no version.
# Says whether it was set, and otherwise what is there; what is no string counts as nothing.
SWAP = """
local held = redis.pcall('GET', KEYS[1])
if type(held) ~= 'string' then
  held = ''
end
if held ~= ARGV[1] then
  return {0, held}
end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return {1, ''}
"""

Document = TypeVar("Document")
Observation = TypeVar("Observation")
# Told the key of a settled document, what it was and is, and whether it was this process that changed it.
# Must not fail.
OnChange = Callable[[str, Document, Document, bool], None]

_Proposed = tuple[DocumentCopy[Document, Observation], Proposal[Document]]


class DocumentExchange(Generic[Document, Observation]):
    """For one thread at a time. Where Redis does not answer, RedisAwayError is raised.

    ``name`` stands before every key, and a document lapses ``expiry_s`` after its last change.
    """

    def __init__(self, name: str, expiry_s: float, on_change: OnChange[Document]) -> None:
        self._name = name
        self._expiry_ms = round(expiry_s * 1000)
        self._on_change = on_change

    def read(self, redis: OptionalRedis, copies: Sequence[DocumentCopy[Document, Observation]]) -> None:
        """Brings in what others made of the documents."""
        names = [self._redis_key(copy.key) for copy in copies]
        found: Any = redis.ask(lambda client: client.mget(names))
        for copy, held in zip(copies, found, strict=True):
            self._find(copy, held or NOTHING)

    def write(self, redis: OptionalRedis, copies: Sequence[DocumentCopy[Document, Observation]]) -> None:
        """Tells the others what was observed; what they keep changing is left for the next time."""
        for _ in range(ROUNDS_MAX):
            news = [copy for copy in copies if copy.has_news]
            if not news:
                return
            self._swap(redis, [(copy, copy.propose()) for copy in news])

    def update(
        self,
        redis: OptionalRedis,
        copy: DocumentCopy[Document, Observation],
        change: Callable[[Document], Document | None],
    ) -> Document | None:
        """The document behind ``change``; None where that declines, or others change it all the time."""
        for _ in range(ROUNDS_MAX):
            proposal = copy.propose_change(change)
            if proposal is None:
                return None
            if self._swap(redis, [(copy, proposal)]):
                return proposal.document
        return None

    def settle_alone(self, copy: DocumentCopy[Document, Observation]) -> None:
        """What ``write`` does, without the others."""
        self._on_change(copy.key, *copy.went_alone(copy.propose()), True)

    def update_alone(
        self, copy: DocumentCopy[Document, Observation], change: Callable[[Document], Document | None]
    ) -> Document | None:
        """What ``update`` does, without the others."""
        proposal = copy.propose_change(change)
        if proposal is None:
            return None
        self._on_change(copy.key, *copy.went_alone(proposal), True)
        return proposal.document

    def _swap(self, redis: OptionalRedis, proposals: Sequence[_Proposed[Document, Observation]]) -> bool:
        """Whether all of them were accepted; the copies hear which, and what is held instead."""
        changing = [one for one in proposals if one[1].proposed != one[1].held]
        replies: Any = redis.ask(lambda client: self._replies(client, changing)) if changing else ()
        refused = {copy: held for (copy, _), (done, held) in zip(changing, replies, strict=True) if not done}
        for copy, proposal in proposals:
            if copy in refused:
                self._find(copy, refused[copy])
            else:
                self._on_change(copy.key, *copy.accepted(proposal), True)
        return not refused

    def _replies(
        self, client: redis.Redis, proposals: Sequence[_Proposed[Document, Observation]]
    ) -> list[Any]:
        with client.pipeline(transaction=False) as pipeline:
            for copy, one in proposals:
                pipeline.eval(SWAP, 1, self._redis_key(copy.key), one.held, one.proposed, self._expiry_ms)
            return pipeline.execute()

    def _find(self, copy: DocumentCopy[Document, Observation], held: bytes) -> None:
        self._on_change(copy.key, *copy.found(held), False)

    def _redis_key(self, key: str) -> str:
        return f"payflow:{self._name}:{key}"
