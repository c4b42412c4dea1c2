"""Heads in a Redis stream, where there is no Kafka. It binds an owner of the database, not one of both."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import cast

import redis

from payflow.domain.proof.block import Block
from payflow.domain.proof.published_head import PublishedHead, from_json, to_json
from payflow.events.heads import HeadsUnpublishedError

TIMEOUT_S = 5.0
PAGE = 1_000


class RedisHeads:
    """Fulfils payflow.events.heads.HeadsTopic. A place is an entry's id in the stream."""

    def __init__(self, url: str, stream: str) -> None:
        self._client = redis.Redis.from_url(url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S)
        self._stream = stream

    def publish(self, blocks: Sequence[Block]) -> list[str]:
        """In one round trip."""
        try:
            with self._client.pipeline(transaction=True) as pipeline:
                for block in blocks:
                    pipeline.xadd(self._stream, {"value": to_json(block)})
                return [place.decode() for place in pipeline.execute()]
        except redis.RedisError as error:
            raise HeadsUnpublishedError(f"{self._stream}: {error}") from error

    def lost(self, places: Iterable[str]) -> set[str]:
        """Entries that are not there."""
        try:
            return {place for place in places if not self._client.xrange(self._stream, place, place, count=1)}
        except redis.RedisError as error:
            raise HeadsUnpublishedError(f"{self._stream}: {error}") from error

    def heads(self) -> Iterator[PublishedHead]:
        """All of them, a page at a time. Raises HeadsUnpublishedError, UnreadableHeadError."""
        after = "-"
        try:
            while page := self._page(after):
                for place, fields in page:
                    yield from_json(fields[b"value"])
                    after = f"({place.decode()}"
        except redis.RedisError as error:
            raise HeadsUnpublishedError(f"{self._stream}: {error}") from error

    def _page(self, after: str) -> list[tuple[bytes, dict[bytes, bytes]]]:
        # The client is typed for every way of decoding; this one does not decode.
        return cast(
            "list[tuple[bytes, dict[bytes, bytes]]]", self._client.xrange(self._stream, after, count=PAGE)
        )

    def close(self) -> None:
        """Closes the connections."""
        self._client.close()
