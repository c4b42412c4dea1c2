from __future__ import annotations

import math
import os
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from server.dev import supervisor as supervising
from server.dev.leftovers import ProcessRecord
from server.dev.process import Command, RunningProcess
from server.dev.readiness import always
from server.dev.supervisor import StackFailed, StopRequested, Supervisor
from tests.waiting import WAIT_S, wait_until

SLEEPS = "import time; print('awake', flush=True); time.sleep(600)"
FAILS = "import sys; print('no such luck', flush=True); sys.exit(3)"
IGNORES_STOP = (
    "import pathlib, signal, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    "pathlib.Path(sys.argv[1]).touch(); time.sleep(600)"
)

TALKS_TO_THE_END = (
    "import pathlib, signal, sys; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    "pathlib.Path(sys.argv[1]).touch()\n"
    "while True: print('and another thing')"
)


@dataclass
class SilentConsole:
    said: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def say(self, message: str) -> None:
        self.said.append(message)

    def warn(self, message: str) -> None:
        self.warnings.append(message)


@dataclass
class Bench:
    """A supervisor with its console, its record and a way to ask it to stop."""

    directory: Path
    console: SilentConsole = field(default_factory=SilentConsole)
    stop_requests: int = 0

    def __post_init__(self) -> None:
        self.record = ProcessRecord(self.directory / "processes.json")
        self.supervisor = Supervisor(self.directory, self.record, self.console, lambda: self.stop_requests)

    def command(self, name: str, code: str, *, stop_timeout_s: float = WAIT_S) -> Command:
        marker = self.directory / f"{name}.ready"
        return Command(
            name=name,
            argv=(sys.executable, "-c", code, str(marker)),
            environment=os.environ,
            ready=marker.exists if "argv" in code else always,
            stop_timeout_s=stop_timeout_s,
        )

    def pids(self) -> dict[str, int]:
        """The processes that are our children now, by command name."""
        found = {}
        for child in psutil.Process().children():
            try:
                arguments = child.cmdline()
            except psutil.NoSuchProcess:  # it has just ended
                continue
            if arguments and arguments[-1].startswith(str(self.directory)):
                found[Path(arguments[-1]).stem] = child.pid
        return found

    def stop_when(self, condition: Callable[[], bool]) -> threading.Thread:
        """Asks to stop once ``condition`` holds, from another thread."""

        def watch() -> None:
            try:
                wait_until(condition)
            finally:
                self.stop_requests = 1

        thread = threading.Thread(target=watch)
        thread.start()
        return thread


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_everything_is_stopped_last_started_first(bench: Bench) -> None:
    says_goodbye = (
        "import pathlib, signal, sys, time\n"
        "def stop(*_):\n"
        "    with open({log!r}, 'a') as log: log.write(sys.argv[1].rsplit('/', 1)[1] + '\\n')\n"
        "    sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, stop)\n"
        "pathlib.Path(sys.argv[1]).touch()\n"
        "time.sleep(600)\n"
    ).format(log=str(bench.directory / "order"))
    for name in ("one", "two", "three"):
        command = bench.command(name, says_goodbye)
        bench.supervisor.start(command)
        bench.supervisor.wait_ready(command)
    assert set(bench.pids()) == {"one", "two", "three"}

    bench.supervisor.stop()

    assert (bench.directory / "order").read_text().split() == ["three.ready", "two.ready", "one.ready"]
    assert bench.pids() == {}
    assert not (bench.directory / "processes.json").exists()
    assert bench.console.warnings == []


def test_the_output_of_a_process_that_talks_until_it_is_killed_is_closed(bench: Bench) -> None:
    command = bench.command("talker", TALKS_TO_THE_END, stop_timeout_s=0.1)
    bench.supervisor.start(command)
    bench.supervisor.wait_ready(command)
    output = bench.supervisor._watched["talker"].process.output

    bench.supervisor.stop()

    assert output.closed


def test_a_process_that_will_not_stop_is_killed_and_named(bench: Bench) -> None:
    command = bench.command("stubborn", IGNORES_STOP, stop_timeout_s=0.2)
    bench.supervisor.start(command)
    bench.supervisor.wait_ready(command)

    bench.supervisor.stop()

    assert bench.pids() == {}
    assert bench.console.warnings == ["stubborn did not stop in time and is killed"]


def test_a_process_that_ends_while_starting_is_named_with_the_end_of_its_log(bench: Bench) -> None:
    never = Command(
        name="broken", argv=(sys.executable, "-c", FAILS), environment=os.environ, ready=lambda: False
    )
    bench.supervisor.start(never)

    with pytest.raises(
        StackFailed, match=r"broken exited with code 3; its log is .*broken\.log\n  \| no such luck"
    ):
        bench.supervisor.wait_ready(never)
    bench.supervisor.stop()


def test_a_request_to_stop_ends_the_wait_for_a_process(bench: Bench) -> None:
    slow = Command(
        name="slow", argv=(sys.executable, "-c", SLEEPS), environment=os.environ, ready=lambda: False
    )
    bench.supervisor.start(slow)
    bench.stop_requests = 1

    with pytest.raises(StopRequested):
        bench.supervisor.wait_ready(slow)
    bench.supervisor.stop()


def test_a_process_that_is_killed_is_started_again(bench: Bench) -> None:
    bench.supervisor.start(bench.command("worker", SLEEPS))
    # The kernel tells its parent a moment before it shows its arguments.
    wait_until(lambda: "worker" in bench.pids())
    first = bench.pids()["worker"]
    os.kill(first, signal.SIGKILL)

    watcher = bench.stop_when(lambda: bench.pids().get("worker", first) != first)
    bench.supervisor.run()
    watcher.join()

    assert bench.pids()["worker"] != first
    assert any("worker was killed by SIGKILL; restarting it" in warning for warning in bench.console.warnings)
    bench.supervisor.stop()
    assert bench.pids() == {}


def test_a_process_that_keeps_ending_stops_the_stack(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervising, "RESTART_DELAYS_S", (0.01,) * supervising.RESTARTS_MAX)
    monkeypatch.setattr(supervising, "RESTARTS_WINDOW_S", math.inf)
    monkeypatch.setattr(supervising, "POLL_S", 0.01)
    bench.supervisor.start(bench.command("broken", FAILS))

    with pytest.raises(StackFailed, match=rf"again after {supervising.RESTARTS_MAX} restarts"):
        bench.supervisor.run()
    bench.supervisor.stop()

    assert len(bench.console.warnings) == supervising.RESTARTS_MAX


def test_leftovers_of_a_killed_run_are_stopped_and_strangers_are_not(bench: Bench) -> None:
    left = RunningProcess(bench.command("left", SLEEPS))
    stranger = RunningProcess(bench.command("stranger", SLEEPS))
    bench.record.note(left)
    (bench.directory / "processes.json").write_text(
        (bench.directory / "processes.json").read_text()[:-1] + f", [{stranger.pid}, 1.0, 15]]"
    )

    assert ProcessRecord(bench.directory / "processes.json").stop_leftovers() == 1

    assert left.ending() is not None
    assert stranger.ending() is None
    stranger.kill_group()
    for process in (left, stranger):
        process.output.close()


def test_a_process_is_started_without_a_fork_which_grpcs_threads_do_not_survive(bench: Bench) -> None:
    forks: list[int] = []
    os.register_at_fork(before=lambda: forks.append(os.getpid()))

    process = RunningProcess(bench.command("one", SLEEPS))

    assert process.output.readline() == b"awake\n"
    process.kill_group()
    process.output.close()
    assert forks == []


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent died")
def test_a_process_dies_with_a_parent_that_is_killed(bench: Bench) -> None:
    parent_code = (
        "import os, sys, time\n"
        "from server.dev.process import Command, RunningProcess\n"
        "child = Command(name='child', argv=(sys.executable, '-c', 'import time; time.sleep(600)'),\n"
        "                environment=os.environ, ready=lambda: True)\n"
        "print(RunningProcess(child).pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    parent = RunningProcess(bench.command("parent", parent_code))
    child = psutil.Process(int(parent.output.readline()))
    assert child.is_running()

    os.kill(parent.pid, signal.SIGKILL)

    child.wait(WAIT_S)
    parent.kill_group()
    parent.output.close()
