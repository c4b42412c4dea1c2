"""What stops a process when a signal comes."""

from __future__ import annotations

import threading


class SetByHandlers(threading.Event):
    """An event that a signal's handler may set at any moment.

    Handlers run on the main thread, between any two of its instructions: in the middle of a wait they would
    wait for the lock that it holds.
    """

    def wait(self, timeout: float | None = None) -> bool:
        """Not on the main thread."""
        assert threading.current_thread() is not threading.main_thread(), "a handler could not set it now"
        return super().wait(timeout)
