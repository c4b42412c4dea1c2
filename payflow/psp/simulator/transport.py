"""One HTTP exchange with the simulator, and the little that a failed one proves."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from threading import BoundedSemaphore
from urllib.parse import urlencode

import urllib3
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    NewConnectionError,
    ProtocolError,
    ReadTimeoutError,
)

CONNECTIONS_MAX = 128
ANSWER_BYTES_MAX = 65_536

_HEADERS = {"Content-Type": "application/json"}


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer that arrived whole; ``repeated``: to a request whose connection had broken once."""

    status: int
    body: bytes
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class NeverSent:
    """No connection was made: the request cannot have arrived."""

    detail: str


@dataclass(frozen=True, slots=True)
class NoReply:
    """The request may have arrived; no whole answer came back. ``quick``: the connection broke at once."""

    detail: str
    quick: bool = False


class Transport:
    """Keeps connections to one PSP alive; any number of threads may use it."""

    def __init__(
        self,
        base_url: str,
        timeout_s: float,
        connections_max: int = CONNECTIONS_MAX,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """``timeout_s`` bounds an exchange as a whole, the wait for a free connection included."""
        self._timeout_s = timeout_s
        self._monotonic_s = monotonic_s
        self._free = BoundedSemaphore(connections_max)
        self._pool = urllib3.connection_from_url(
            base_url, maxsize=connections_max, headers=_HEADERS, retries=False
        )

    def close(self) -> None:
        """Closes the idle connections."""
        self._pool.close()

    def get(self, path: str, query: dict[str, str]) -> Reply | NeverSent | NoReply:
        """Asks; what a GET asks for changes nothing."""
        return self._exchange("GET", f"{path}?{urlencode(query)}", None)

    def post(self, path: str, body: bytes) -> Reply | NeverSent | NoReply:
        """Asks for something to be done that may safely be asked for twice."""
        return self._exchange("POST", path, body)

    def _exchange(self, method: str, url: str, body: bytes | None) -> Reply | NeverSent | NoReply:
        deadline_s = self._monotonic_s() + self._timeout_s
        if not self._free.acquire(timeout=self._timeout_s):
            return NeverSent("every connection is busy")
        try:
            return self._send_again_if_broken(method, url, body, deadline_s)
        finally:
            self._free.release()

    def _send_again_if_broken(
        self, method: str, url: str, body: bytes | None, deadline_s: float
    ) -> Reply | NeverSent | NoReply:
        """Sends once more, at once, what broke: most likely a kept connection that the PSP had closed.

        After that even a refused connection proves nothing, as the first request may have arrived.
        """
        try:
            return self._send(method, url, body, deadline_s)
        except ProtocolError as broken:
            detail = repr(broken)
        try:
            repeated = self._send(method, url, body, deadline_s)
        except ProtocolError as broken:
            return NoReply(repr(broken), quick=True)
        if isinstance(repeated, Reply):
            return replace(repeated, repeated=True)
        return NoReply(detail, quick=True) if isinstance(repeated, NeverSent) else repeated

    def _send(
        self, method: str, url: str, body: bytes | None, deadline_s: float
    ) -> Reply | NeverSent | NoReply:
        """One attempt; raises ProtocolError where the connection broke."""
        left_s = deadline_s - self._monotonic_s()
        if left_s <= 0:
            return NeverSent("no time was left")
        timeout = urllib3.Timeout(total=left_s)
        try:
            response = self._pool.urlopen(method, url, body, timeout=timeout, preload_content=False)
        except (NewConnectionError, ConnectTimeoutError) as error:
            return NeverSent(repr(error))
        except ProtocolError:
            raise
        except HTTPError as error:
            return NoReply(repr(error))
        return self._read(response, deadline_s)

    def _read(self, response: urllib3.BaseHTTPResponse, deadline_s: float) -> Reply | NoReply:
        body = bytearray()
        try:
            while chunk := response.read1(ANSWER_BYTES_MAX):
                body += chunk
                if len(body) > ANSWER_BYTES_MAX or self._monotonic_s() > deadline_s:
                    response.close()
                    return NoReply("the answer was too long or too slow")
        except ReadTimeoutError as error:
            return NoReply(repr(error))
        finally:
            response.release_conn()
        return Reply(response.status, bytes(body))
