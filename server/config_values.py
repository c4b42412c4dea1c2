"""Parsers for the values of environment variables.

Each takes the text of a variable and returns its value, or raises `UnexpectedValue` with the words for
what it expects.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from payflow.domain.gcra import RateLimit

DURATION_UNITS_S = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
SIZE_UNITS_BYTES = {
    "B": 1,
    "KB": 1000,
    "MB": 1000**2,
    "GB": 1000**3,
    "KIB": 1024,
    "MIB": 1024**2,
    "GIB": 1024**3,
}
RATE_UNITS_S = {"s": 1, "sec": 1, "min": 60, "h": 3600, "hour": 3600}


class UnexpectedValue(ValueError):
    """A value that is not what the variable takes; the message says what it takes."""


def text(value: str) -> str:
    """Any text that is not blank."""
    if not value.strip():
        raise UnexpectedValue("a text that is not blank")
    return value


def integer(low: int, high: int) -> Callable[[str], int]:
    """A parser for a whole number from ``low`` to ``high``."""

    def parse(value: str) -> int:
        if not re.fullmatch(r"[0-9]{1,18}", value) or not low <= int(value) <= high:
            raise UnexpectedValue(f"a whole number from {low} to {high}")
        return int(value)

    return parse


def port(value: str) -> int:
    """A TCP port number."""
    if not re.fullmatch(r"[0-9]{1,5}", value) or not 1 <= int(value) <= 65535:
        raise UnexpectedValue("a port number from 1 to 65535, such as 8080")
    return int(value)


def duration_s(value: str) -> float:
    """A duration such as ``30s``, ``5m``, ``24h``, ``7d`` or ``250ms``, in seconds."""
    match = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,6})?)(ms|s|m|h|d)", value)
    if match is None or float(match[1]) == 0:
        raise UnexpectedValue(
            "a duration above zero with its unit (ms, s, m, h or d), such as 30s, 5m or 24h"
        )
    return float(match[1]) * DURATION_UNITS_S[match[2]]


def size_bytes(value: str) -> int:
    """A size such as ``1MB``, ``512KB`` or ``4MiB``, in bytes."""
    match = re.fullmatch(r"([0-9]{1,9})(B|[KMG]i?B)", value, re.IGNORECASE)
    if match is None or int(match[1]) == 0:
        raise UnexpectedValue("a size above zero with its unit (B, KB, MB, GB, KiB, MiB or GiB), such as 1MB")
    return int(match[1]) * SIZE_UNITS_BYTES[match[2].upper()]


def rate_limit(value: str) -> RateLimit | None:
    """A rate such as ``1000req/min``, or None for ``off``."""
    if value == "off":
        return None
    match = re.fullmatch(r"([0-9]{1,9})req/(sec|s|min|hour|h)", value)
    if match is None or int(match[1]) == 0:
        raise UnexpectedValue("off, or a number of requests in a s, min or hour, such as 1000req/min")
    return RateLimit(int(match[1]), RATE_UNITS_S[match[2]])


def one_of(*choices: str) -> Callable[[str], str]:
    """A parser for one of ``choices``, in any case."""

    def parse(value: str) -> str:
        if value.lower() not in choices:
            raise UnexpectedValue(f"one of {', '.join(choices)}")
        return value.lower()

    return parse


def switch(value: str) -> bool:
    """``1`` for on and ``0`` for off."""
    if value not in ("0", "1"):
        raise UnexpectedValue("1 for on or 0 for off")
    return value == "1"


def url(*schemes: str) -> Callable[[str], str]:
    """A parser for a URL with one of ``schemes``."""

    def parse(value: str) -> str:
        try:
            scheme = urlsplit(value).scheme
        except ValueError:
            scheme = ""
        if scheme not in schemes or "://" not in value:
            raise UnexpectedValue(f"a URL that starts with {' or '.join(f'{name}://' for name in schemes)}")
        return value

    return parse


def existing_file(value: str) -> Path:
    """The path of a file that can be read."""
    if not (Path(value).is_file() and os.access(value, os.R_OK)):
        raise UnexpectedValue("the path of a file that can be read")
    return Path(value)


def broker_addresses(value: str) -> str:
    """Kafka brokers as ``host:port``, several of them with commas between."""
    if not all(re.fullmatch(r"\S+:[0-9]{1,5}", broker.strip()) for broker in value.split(",")):
        raise UnexpectedValue("host:port, several with commas between, such as localhost:9092")
    return value
