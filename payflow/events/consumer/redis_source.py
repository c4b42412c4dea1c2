"""Messages of a Redis stream, for one member of a consumer group.

A group of Redis deals entries out to whoever asks, so that its members would overtake each other within an
aggregate. Here a group is only a cursor: who reads takes what is behind the group's last delivered entry, and
moves that when it is dealt with. Two who read at once get the same entries, and the inbox lets one of them
apply each. A lease keeps them from doing so for nothing; no order and no effect rests on it.
"""

from __future__ import annotations

import logging
import time
import uuid
from contextlib import suppress
from typing import Any, cast

import redis

from payflow.events.consumer.source import Message
from payflow.store.redis.optional_redis import OptionalRedis, RedisAwayError

log = logging.getLogger(__name__)

TIMEOUT_S = 5.0
LEASE_S = 10.0
POLL_S = 0.05
FROM_THE_START = "0-0"


class RedisSource:
    """Fulfils payflow.events.consumer.source.Source; begins at the oldest entry that there is."""

    def __init__(self, url: str, stream: str, group: str, lease_s: float = LEASE_S) -> None:
        """``stream`` is the topic's name. Connects when it is first asked."""
        self._redis = OptionalRedis(url, 1, timeout_s=TIMEOUT_S)
        self._stream = stream
        self._group = group
        self._lease_ms = int(lease_s * 1000)
        self._lease = f"{stream}:{group}:reader"
        self._member = uuid.uuid4().hex
        self._last: str | None = None

    def poll(self, batch_max: int, wait_s: float) -> list[Message]:
        """See Source. Redis away is nothing to read."""
        gives_up_at = time.monotonic() + wait_s
        while True:
            messages = self._next(batch_max)
            left_s = gives_up_at - time.monotonic()
            if messages or left_s <= 0:
                return messages
            time.sleep(min(POLL_S, left_s))

    def commit(self) -> None:
        """See Source."""
        last, self._last = self._last, None
        if last is None:
            return
        try:
            self._redis.ask(lambda client: client.xgroup_setid(self._stream, self._group, last))
        except RedisAwayError:
            log.info("the position in %s was not noted, so its entries come again", self._stream)

    def close(self) -> None:
        """See Source."""
        with suppress(RedisAwayError):
            self._redis.ask(self._give_up_lease)
        self._redis.close()

    def _next(self, batch_max: int) -> list[Message]:
        try:
            entries = self._redis.ask(lambda client: self._read(client, batch_max))
        except RedisAwayError:
            return []
        if entries:
            self._last = entries[-1][0].decode()
        return [_message(fields) for _, fields in entries]

    def _read(self, client: redis.Redis, batch_max: int) -> list[tuple[bytes, dict[bytes, bytes]]]:
        if not self._has_lease(client):
            return []
        behind = f"({self._position(client)}"
        return cast(list[Any], client.xrange(self._stream, min=behind, count=batch_max))

    def _has_lease(self, client: redis.Redis) -> bool:
        if client.set(self._lease, self._member, px=self._lease_ms, nx=True):
            return True
        if client.get(self._lease) != self._member.encode():
            return False
        return bool(client.pexpire(self._lease, self._lease_ms))

    def _position(self, client: redis.Redis) -> str:
        if not client.exists(self._stream):
            return self._new_group(client)
        groups = client.xinfo_groups(self._stream)
        for group in groups:
            if group["name"] == self._group.encode():
                return cast(bytes, group["last-delivered-id"]).decode()
        return self._new_group(client)

    def _new_group(self, client: redis.Redis) -> str:
        try:
            client.xgroup_create(self._stream, self._group, FROM_THE_START, mkstream=True)
        except redis.ResponseError as error:
            if not str(error).startswith("BUSYGROUP"):
                raise
        return FROM_THE_START

    def _give_up_lease(self, client: redis.Redis) -> None:
        if client.get(self._lease) == self._member.encode():
            client.delete(self._lease)


def _message(fields: dict[bytes, bytes]) -> Message:
    value = fields.pop(b"value", b"")
    return Message({_text(name): _text(content) for name, content in fields.items()}, value)


def _text(content: bytes) -> str:
    return content.decode("utf-8", "replace")
