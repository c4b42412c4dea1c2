"""One HTTP exchange with a PSP, and the little that a failed one proves."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from threading import BoundedSemaphore
from urllib.parse import urlencode

import urllib3
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError, ProtocolError

from payflow.psp.timed_reading import TimedConnection, TimedTlsConnection

CONNECTIONS_MAX = 128
ANSWER_BYTES_MAX = 65_536
CHUNK_BYTES = 65_536

_JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer that arrived whole; names of ``headers`` are in lower case.

    ``repeated`` says that it answers the second request, as the first one's connection broke: a refusal
    of the second proves nothing of the first.
    """

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class NeverSent:
    """No connection was made: the request cannot have arrived."""

    detail: str


@dataclass(frozen=True, slots=True)
class NoReply:
    """The request may have arrived; no whole answer came back.

    ``broken`` says that the connection broke, which is quick; otherwise the time ran out.
    """

    detail: str
    broken: bool = False


class Transport:
    """Keeps connections to one PSP alive; any number of threads may use it."""

    def __init__(
        self,
        base_url: str,
        timeout_s: float,
        connections_max: int = CONNECTIONS_MAX,
        monotonic_s: Callable[[], float] = time.monotonic,
        answer_bytes_max: int = ANSWER_BYTES_MAX,
    ) -> None:
        """``timeout_s`` bounds an exchange as a whole, the wait for a free connection included."""
        self._timeout_s = timeout_s
        self._monotonic_s = monotonic_s
        self._answer_bytes_max = answer_bytes_max
        self._free = BoundedSemaphore(connections_max)
        self._pool = urllib3.connection_from_url(base_url, maxsize=connections_max, retries=False)
        self._pool.ConnectionCls = TimedTlsConnection if self._pool.scheme == "https" else TimedConnection

    def close(self) -> None:
        """Closes the idle connections."""
        self._pool.close()

    def get(self, path: str, query: dict[str, str]) -> Reply | NeverSent | NoReply:
        """Asks; what a GET asks for changes nothing."""
        return self.exchange("GET", f"{path}?{urlencode(query)}", _JSON, None)

    def post(self, path: str, body: bytes) -> Reply | NeverSent | NoReply:
        """Asks for something to be done that may safely be asked for twice."""
        return self.exchange("POST", path, _JSON, body)

    def exchange(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str],
        body: bytes | None,
        deadline_s: float | None = None,
    ) -> Reply | NeverSent | NoReply:
        """One exchange, which may safely be repeated once; ``target`` is the path with its query.

        ``deadline_s`` is where several exchanges share one time-out; otherwise this one has its own.
        """
        if deadline_s is None:
            deadline_s = self._monotonic_s() + self._timeout_s
        if not self._free.acquire(timeout=max(deadline_s - self._monotonic_s(), 0)):
            return NeverSent("every connection is busy")
        try:
            return self._send_again_if_broken(_Request(method, target, headers, body, deadline_s))
        finally:
            self._free.release()

    def _send_again_if_broken(self, request: _Request) -> Reply | NeverSent | NoReply:
        """Sends once more, at once, what broke: most likely a kept connection that the PSP had closed.

        After that even a refused connection proves nothing, as the first request may have arrived.
        """
        try:
            return self._send(request)
        except ProtocolError as error:
            broken = NoReply(repr(error), broken=True)
        try:
            repeated = self._send(request)
        except ProtocolError as error:
            return NoReply(repr(error), broken=True)
        if isinstance(repeated, Reply):
            return replace(repeated, repeated=True)
        return broken if isinstance(repeated, NeverSent) else repeated

    def _send(self, request: _Request) -> Reply | NeverSent | NoReply:
        """One attempt; raises ProtocolError where the connection broke."""
        left_s = request.deadline_s - self._monotonic_s()
        if left_s <= 0:
            return NeverSent("no time was left")
        try:
            response = self._pool.urlopen(
                request.method,
                request.target,
                request.body,
                request.headers,
                timeout=urllib3.Timeout(total=left_s),
                preload_content=False,
            )
        except (NewConnectionError, ConnectTimeoutError) as error:
            return NeverSent(repr(error))
        except ProtocolError:
            raise
        except HTTPError as error:
            return NoReply(repr(error))
        return self._read(response)

    def _read(self, response: urllib3.BaseHTTPResponse) -> Reply | NoReply:
        body = bytearray()
        try:
            while chunk := response.read1(CHUNK_BYTES):
                body += chunk
                if len(body) > self._answer_bytes_max:
                    response.close()
                    return NoReply("the answer was too long")
        except ProtocolError:
            raise
        except HTTPError as error:
            return NoReply(repr(error))
        finally:
            response.release_conn()
        headers = {name.lower(): value for name, value in response.headers.items()}
        return Reply(response.status, bytes(body), headers)


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes | None
    deadline_s: float
