"""Request headers: what is checked here, and what the gRPC server is told as metadata."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from email.message import Message as HeaderParser
from uuid import uuid4

from payflow.domain.errors import invalid_field
from payflow.domain.fields import IDEMPOTENCY_KEY_MAX
from server.rpc.call import CORRELATION_ID, IDEMPOTENCY_KEY, TRACEPARENT
from server.rpc.interceptors.correlation import REQUEST_ID, correlation_id_of

# Together well inside the 8 KiB of metadata that a gRPC server accepts.
_CHARACTERS_MAX = {IDEMPOTENCY_KEY: IDEMPOTENCY_KEY_MAX, "authorization": 4096}
_TRACEPARENT_CHARACTERS_MAX = 128

Headers = Mapping[str, list[str]]


def grouped(raw_headers: Iterable[tuple[bytes, bytes]]) -> Headers:
    """Values by lower-case name, in order."""
    headers: defaultdict[str, list[str]] = defaultdict(list)
    for name, value in raw_headers:
        headers[name.decode("latin-1")].append(value.decode("latin-1"))
    return headers


def correlation_id(headers: Headers) -> str:
    """The caller's correlation id, or a new one where that is missing or of no use."""
    given = {name: headers[name][-1] for name in (CORRELATION_ID, REQUEST_ID) if name in headers}
    return correlation_id_of(given) or uuid4().hex


def rpc_metadata(headers: Headers, correlation: str) -> tuple[tuple[str, str], ...]:
    """The metadata of the call. Raises VALIDATION_FAILED, naming the header."""
    metadata = list(trace_metadata(headers, correlation))
    for name, characters_max in _CHARACTERS_MAX.items():
        values = headers.get(name, ())
        if len(values) > 1:
            raise invalid_field(name, "is given more than once")
        for value in values:
            if not _is_printable_ascii(value, characters_max):
                raise invalid_field(name, f"must be 1 to {characters_max} printable ASCII characters")
            metadata.append((name, value))
    return tuple(metadata)


def trace_metadata(headers: Headers, correlation: str) -> tuple[tuple[str, str], ...]:
    """What finds the call in logs; a `traceparent` that cannot be valid is left out, as W3C asks."""
    traceparent = headers.get(TRACEPARENT, [""])[0]
    if _is_printable_ascii(traceparent, _TRACEPARENT_CHARACTERS_MAX):
        return (CORRELATION_ID, correlation), (TRACEPARENT, traceparent)
    return ((CORRELATION_ID, correlation),)


def require_json(headers: Headers) -> None:
    """Refuses a body that says it is something other than UTF-8 JSON; a missing header is accepted."""
    values = headers.get("content-type", [])
    parsed = HeaderParser()
    parsed["content-type"] = ", ".join(values)
    charset = parsed.get_content_charset("utf-8")
    if values and (parsed.get_content_type() != "application/json" or charset not in ("utf-8", "utf8")):
        raise invalid_field("content-type", "must be application/json")


def _is_printable_ascii(text: str, characters_max: int) -> bool:
    return 0 < len(text) <= characters_max and text.isascii() and text.isprintable()
