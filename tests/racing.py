"""Runs things at the same moment."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from tests.payments import ApiError
from tests.waiting import WAIT_S

T = TypeVar("T")


def at_once(calls: Sequence[Callable[[], T]]) -> list[T | ApiError]:
    """Starts all calls together, each in a thread of its own; answers what each returned or was refused."""
    start = threading.Barrier(len(calls), timeout=WAIT_S)

    def run(call: Callable[[], T]) -> T | ApiError:
        start.wait()
        try:
            return call()
        except ApiError as error:
            return error

    with ThreadPoolExecutor(len(calls)) as executor:
        return list(executor.map(run, calls))


def split(outcomes: Sequence[T | ApiError]) -> tuple[list[T], list[ApiError]]:
    """What succeeded, and what was refused."""
    refused = [one for one in outcomes if isinstance(one, ApiError)]
    return [one for one in outcomes if not isinstance(one, ApiError)], refused
