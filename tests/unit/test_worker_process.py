from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from server.config import Settings
from server.wiring import Core
from server.worker import loops, process
from server.worker.kinds import KINDS
from server.worker.loops import Loop
from tests.stopping import SetByHandlers
from tests.waiting import WAIT_S


class NoCore:
    """Nothing to work with."""

    def close(self) -> None:
        """Nothing to close."""


@pytest.fixture
def own_handlers() -> Iterator[None]:
    """The handlers of this process are back behind the test."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_a_signal_ends_a_worker_whenever_it_comes(
    own_handlers: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    signals, closed = [signal.SIGTERM], threading.Event()

    def signalling(*_: Any) -> list[Loop]:
        def work() -> int:
            if signals:
                signal.raise_signal(signals.pop())
            return 0

        return [Loop("signalling", work, 0.01, 1, closed.set)]

    monkeypatch.setitem(KINDS, "signalling", signalling)
    monkeypatch.setattr(process, "threading", SimpleNamespace(Event=SetByHandlers))
    settings = Settings.from_environment({})
    assert process.run(settings, lambda _: cast(Core, NoCore()), ["signalling"]) == 0
    assert closed.is_set()


def test_a_loop_that_cannot_be_closed_says_so(caplog: pytest.LogCaptureFixture) -> None:
    def close() -> None:
        raise OSError("the database is away")

    stop = threading.Event()
    stop.set()
    loops.start(Loop("relay", lambda: 0, 1, 1, close), stop).join(WAIT_S)
    assert "relay was not closed" in caplog.messages
