"""Requests in Stripe's form encoding."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl

from tests.stripe_double.answers import Object

_KEYS = re.compile(r"[^\[\]]+")


def parse(body: str) -> Object:
    """``metadata[a]=b&expand[0]=c`` as nested dicts; a list is a dict with its positions as keys."""
    parsed: Object = {}
    for name, value in parse_qsl(body, keep_blank_values=True):
        *path, last = _KEYS.findall(name)
        inner = parsed
        for part in path:
            inner = inner.setdefault(part, {})
        inner[last] = value
    return parsed


def values(listed: Object | None) -> list[str]:
    """The items of a list."""
    return list((listed or {}).values())
