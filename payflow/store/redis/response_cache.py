"""A fast copy of stored responses in Redis or Valkey.

It may vanish or lie: every copy is signed, so one that was not written behind a commit is passed over,
and whatever is not found here PostgreSQL decides. It is asked at most once per call.
"""

from __future__ import annotations

import hashlib
import hmac
import queue
import threading
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial

import redis

from payflow.domain.folding.submission import IdempotencyClaim
from payflow.domain.folding.working_set import Changes, KeyRecord, MerchantScoped
from payflow.domain.instants import microseconds
from payflow.store.redis.optional_redis import OptionalRedis, RedisAwayError

CLOSE_TIMEOUT_S = 1.0
WAITING_MAX = 10_000
COPIED_AT_ONCE_MAX = 100
SIGNATURE_BYTES = 32
HASH_BYTES = 32
EXPIRY_BYTES = 8

SECRET = "SELECT cache_key FROM installation"


class ResponseCache:
    """``secret`` is the installation's own, so that copies of another database are not believed."""

    def __init__(self, redis: OptionalRedis, secret: bytes, key_ttl: timedelta) -> None:
        self._redis = redis
        self._secret = secret
        self._key_ttl = key_ttl
        self._closed = False
        self._waiting: queue.Queue[tuple[MerchantScoped, KeyRecord] | None] = queue.Queue(WAITING_MAX)
        self._thread = threading.Thread(target=self._copy, name="response-cache", daemon=True)
        self._thread.start()

    def response(self, merchant_id: str, claim: IdempotencyClaim, now: datetime) -> bytes | None:
        """The stored response of exactly this request, if there is a true copy that has not expired."""
        scoped = (merchant_id, claim.key)
        copy = self._get(scoped)
        if copy is None or not hmac.compare_digest(copy[:SIGNATURE_BYTES], self._sign(scoped, copy)):
            return None
        body = copy[SIGNATURE_BYTES:]
        expires_at = datetime.fromtimestamp(int.from_bytes(body[:EXPIRY_BYTES], "big") / 1000, UTC)
        if expires_at <= now or body[EXPIRY_BYTES : EXPIRY_BYTES + HASH_BYTES] != claim.request_hash:
            return None
        return body[EXPIRY_BYTES + HASH_BYTES :]

    def remember(self, changes: Changes) -> None:
        """Copies what a commit answered, soon, or never when too much is waiting.

        Only answers of PSP operations, whose duplicates would each take a place at a PSP. Asking and
        filling the cache costs more than the commit pipeline takes to answer any other duplicate.
        """
        for scoped, record in changes.keys.items():
            if record is not None and record.done and record.attempt_id:
                try:
                    self._waiting.put_nowait((scoped, record))
                except queue.Full:
                    return

    def close(self) -> None:
        """Stops copying; what still waits is dropped."""
        self._closed = True
        with suppress(queue.Full):
            self._waiting.put_nowait(None)
        self._thread.join(CLOSE_TIMEOUT_S)

    def _get(self, scoped: MerchantScoped) -> bytes | None:
        try:
            # Waiting for a connection would cost more than the copy saves.
            found = self._redis.ask(lambda client: client.get(_name(scoped)), waits=False)
        except RedisAwayError:
            return None
        return found if isinstance(found, bytes) else None

    def _copy(self) -> None:
        while (items := self._take()) and not self._closed:
            signed = [(_name(scoped), self._signed(scoped, record)) for scoped, record in items]
            with suppress(RedisAwayError):
                self._redis.ask(partial(_set_all, copies=signed, expiry=self._key_ttl))

    def _take(self) -> list[tuple[MerchantScoped, KeyRecord]]:
        """Waits for something to copy, then takes what is there, at most COPIED_AT_ONCE_MAX."""
        items = [self._waiting.get()]
        while len(items) < COPIED_AT_ONCE_MAX and not self._waiting.empty():
            items.append(self._waiting.get())
        return [item for item in items if item is not None]

    def _signed(self, scoped: MerchantScoped, record: KeyRecord) -> bytes:
        assert record.completed_at is not None and record.response is not None
        expires_ms = microseconds(record.completed_at + self._key_ttl) // 1000
        body = expires_ms.to_bytes(EXPIRY_BYTES, "big") + record.request_hash + record.response
        return self._sign(scoped, bytes(SIGNATURE_BYTES) + body) + body

    def _sign(self, scoped: MerchantScoped, copy: bytes) -> bytes:
        name = "\x00".join(scoped).encode()
        return hmac.digest(self._secret, hashlib.sha256(name).digest() + copy[SIGNATURE_BYTES:], "sha256")


def _name(scoped: MerchantScoped) -> str:
    return f"payflow:response:{scoped[0]}:{scoped[1]}"


def _set_all(client: redis.Redis, copies: Sequence[tuple[str, bytes]], expiry: timedelta) -> None:
    with client.pipeline(transaction=False) as pipeline:
        for name, copy in copies:
            pipeline.set(name, copy, ex=expiry)
        pipeline.execute()
