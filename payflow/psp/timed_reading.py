"""HTTP connections that wait for an answer as a whole no longer than their time-out for reading.

Otherwise the time-out is the socket's and bounds each read alone: a PSP that sends a byte now and then is
waited for as long as it likes.
"""

from __future__ import annotations

import io
import socket
import time
from http.client import HTTPResponse

from urllib3.connection import HTTPConnection, HTTPSConnection


class _TimedReads(io.RawIOBase):
    """What arrives at a socket, until its time-out as it is now has passed."""

    def __init__(self, connection: socket.socket, inner: io.RawIOBase) -> None:
        self._connection = connection
        self._inner = inner
        timeout_s = connection.gettimeout()
        self._deadline_s = None if timeout_s is None else time.monotonic() + timeout_s

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int | None:  # type: ignore[override]
        if self._deadline_s is not None:
            left_s = self._deadline_s - time.monotonic()
            if left_s <= 0:
                raise TimeoutError("timed out")
            self._connection.settimeout(left_s)
        return self._inner.readinto(buffer)

    def close(self) -> None:
        self._inner.close()
        super().close()


class _TimedResponse(HTTPResponse):
    def __init__(
        self,
        sock: socket.socket,
        debuglevel: int = 0,
        method: str | None = None,
        url: str | None = None,
    ) -> None:
        super().__init__(sock, debuglevel, method, url)
        self.fp = io.BufferedReader(_TimedReads(sock, self.fp.detach()))


class TimedConnection(HTTPConnection):
    """For http."""

    response_class = _TimedResponse


class TimedTlsConnection(HTTPSConnection):
    """For https."""

    response_class = _TimedResponse
