"""What `payflow dev` tells a person: a line for each step, then the addresses and a call to paste."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager


class TerminalConsole:
    """Progress to standard output, warnings to standard error, each at once."""

    def say(self, message: str) -> None:
        print(message, flush=True)

    def warn(self, message: str) -> None:
        print(message, file=sys.stderr, flush=True)

    @contextmanager
    def step(self, what: str) -> Iterator[None]:
        """Says ``what`` and how long it took, once it is done."""
        started_s = time.monotonic()
        yield
        self.say(f"  {what:<44}{time.monotonic() - started_s:6.2f} s")


def ready_line(addresses: Mapping[str, str]) -> str:
    """All addresses on one line that starts with ``ready``."""
    return "ready " + " ".join(f"{name}={address}" for name, address in addresses.items())


def sample_call(http_url: str) -> str:
    """A first call to paste; it works word for word, again and again."""
    return (
        f"curl -X POST {http_url}/v1/payment_intents -H 'Content-Type: application/json' "
        """-H "Idempotency-Key: try-$(date +%s)" """
        """-d '{"merchant_id":"merchant_test","amount":10000,"currency":"USD"}'"""
    )
