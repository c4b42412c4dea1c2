"""An HTTP request that has arrived in full."""

from __future__ import annotations

from dataclasses import dataclass

from server.gateway.request_headers import Headers


@dataclass(frozen=True, slots=True)
class Request:
    """``raw_path`` is still percent-encoded; ``deadline`` is on the event loop's clock, in seconds."""

    http_method: str
    raw_path: str
    query: bytes
    headers: Headers
    body: bytes
    correlation_id: str
    deadline: float
