"""Who serves which call: the RPC threads, counted, and threads of their own for what must not wait."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class RpcThreads(ThreadPoolExecutor):
    """A thread pool that knows how many calls it has, waiting or being served."""

    def __init__(self, threads_max: int) -> None:
        super().__init__(threads_max, thread_name_prefix="rpc")
        self._lock = threading.Lock()
        self._idle = threading.Condition(self._lock)
        self.calls = 0

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """As in ThreadPoolExecutor. Without this count its queue would be as long as callers like."""
        self._add(1)
        try:
            future = super().submit(fn, *args, **kwargs)
        except RuntimeError:
            self._add(-1)
            raise
        future.add_done_callback(self._done)
        return future

    def wait_until_idle(self, timeout_s: float) -> bool:
        """Waits for the calls to end, those whose caller has gone included. Returns whether they did."""
        with self._idle:
            return self._idle.wait_for(lambda: self.calls == 0, timeout_s)

    def _done(self, _: Future[Any]) -> None:
        self._add(-1)

    def _add(self, change: int) -> None:
        with self._lock:
            self.calls += change
            if self.calls == 0:
                self._idle.notify_all()


@dataclass(frozen=True, slots=True)
class OnThreads:
    """A method that is served by threads of its own, not by the RPC threads.

    gRPC reads the two attributes by their names. ``experimental_non_blocking`` is for a method that
    answers through a callback and gives its thread back.
    """

    behavior: Callable[..., Any]
    experimental_thread_pool: ThreadPoolExecutor
    experimental_non_blocking: bool = False

    def __call__(self, *arguments: Any) -> Any:
        return self.behavior(*arguments)
