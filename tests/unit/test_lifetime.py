from __future__ import annotations

from queue import Empty, SimpleQueue

from server.rpc.lifetime import SIGNAL_LATENCY_MAX_S, Event, next_event


class UnheardSignal(SimpleQueue[Event]):
    """A signal came in the last moment before the wait: its handler runs when the wait ends, not before."""

    def get(self, block: bool = True, timeout: float | None = None) -> Event:
        if not self.empty():
            return super().get(block, timeout)
        assert timeout == SIGNAL_LATENCY_MAX_S, "it would wait for ever"
        self.put(Event.STOP_ASKED)
        raise Empty


def test_a_signal_that_interrupts_no_wait_is_noticed_at_its_end() -> None:
    assert next_event(UnheardSignal()) is Event.STOP_ASKED
