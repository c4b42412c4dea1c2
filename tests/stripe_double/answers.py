"""Answers as Stripe words them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """A status and a JSON body. ``is_kept`` is false where no execution began, so that a key stays free."""

    status: int
    body: Object
    is_kept: bool = True
    is_replayed: bool = False


def error(status: int, kind: str, *, is_kept: bool = True, **fields: Any) -> Answer:
    """An error object, as docs.stripe.com/api/errors has it."""
    return Answer(status, {"error": {"type": kind, "message": "No.", **fields}}, is_kept)


def invalid(code: str | None, *, is_kept: bool = True, status: int = 400, **fields: Any) -> Answer:
    """An invalid_request_error."""
    return error(status, "invalid_request_error", is_kept=is_kept, code=code, **fields)


class RefusedError(Exception):
    """The request is refused with an answer."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer)
        self.answer = answer
