"""The directory that keeps everything a stack must not lose, held by one stack at a time."""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from payflow.domain.proof.keys import SigningKey, new_key_pem
from server.dev.process import SystemUser

SOCKET_PATH_BYTES_MAX = 103  # of a socket's path: macOS takes 103, Linux 107
LONGEST_SOCKET_NAME = ".s.PGSQL.5432"


class DataDirInUse(Exception):
    """Another stack runs on the data directory."""


class DataDir:
    """Paths below ``path``. As root the services run as ``service_user``."""

    def __init__(self, path: Path, service_user: SystemUser | None) -> None:
        self.path = path.absolute()
        self.path.mkdir(parents=True, exist_ok=True, mode=0o711 if service_user else 0o700)
        self._service_user = service_user

    @property
    def postgres(self) -> Path:
        return self.path / "postgres"

    def simulator(self, name: str) -> Path:
        """The file of the effects of a simulated PSP."""
        return self.path / f"{name}.sqlite"

    def signing_key(self) -> Path:
        """The key that signs the ledger, made once and kept; its public half is beside it."""
        path = self.path / "ledger-key.pem"
        if not path.exists():
            key = new_key_pem()
            (self.path / "ledger-key.pub").write_bytes(SigningKey(key).public_pem)
            _write_secret(path, key)
        return path

    def webhook_secret(self, name: str) -> str:
        """What signs the webhooks of a simulated PSP: random, made once and kept."""
        path = self.path / f"{name}.secret"
        if not path.exists():
            _write_secret(path, secrets.token_urlsafe(32).encode())
        return path.read_text()

    @property
    def processes(self) -> Path:
        return self.path / "processes.json"

    def logs(self) -> Path:
        """The directory of the log files, made when it is missing."""
        logs = self.path / "logs"
        logs.mkdir(exist_ok=True, mode=0o700)
        return logs

    def valkey(self) -> Path:
        """Valkey's working directory, made when it is missing."""
        valkey = self.path / "valkey"
        valkey.mkdir(exist_ok=True, mode=0o700)
        return valkey

    @property
    def sockets(self) -> Path:
        """The directory for sockets, the same one at every start.

        It lies below the data directory, or below the system's temporary directory when that path is too
        long for a socket, or has a comma, which libpq takes for the end of a host.
        """
        sockets = self.path / "run"
        too_long = len(os.fsencode(sockets / LONGEST_SOCKET_NAME)) > SOCKET_PATH_BYTES_MAX
        if too_long or "," in str(sockets):
            name = hashlib.sha256(os.fsencode(self.path)).hexdigest()[:16]
            return Path(tempfile.gettempdir()) / f"payflow-{os.geteuid()}-{name}"
        return sockets

    def fresh_sockets(self) -> Path:
        """The directory for sockets, private and empty."""
        _make_private(self.sockets, self._service_user)
        return self.sockets

    def remove_sockets(self) -> None:
        """Removes the directory for sockets; nobody uses it any more."""
        shutil.rmtree(self.sockets, ignore_errors=True)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Holds the directory for as long as the process lives. Raises DataDirInUse when another does."""
        with (self.path / "lock").open("a+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.seek(0)
                raise DataDirInUse(
                    f"another `payflow dev` (process {lock.read().strip()}) is running on {self.path}; "
                    "stop it, or set PAYFLOW_DATA_DIR to another directory and API_PORT, GRPC_PORT and "
                    "PROMETHEUS_PORT to other ports"
                ) from None
            lock.truncate(0)
            lock.write(str(os.getpid()))
            lock.flush()
            yield


def _write_secret(path: Path, content: bytes) -> None:
    """For the owner's eyes alone, and whole or not at all."""
    unfinished = path.with_suffix(".unfinished")
    unfinished.touch(mode=0o600)
    unfinished.write_bytes(content)
    unfinished.rename(path)


def _make_private(directory: Path, user: SystemUser | None) -> None:
    owners = {os.geteuid()} | ({user.uid} if user else set())
    if directory.is_symlink() or (directory.exists() and directory.stat().st_uid not in owners):
        raise PermissionError(f"{directory} belongs to somebody else")
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(mode=0o700)
    if user is not None:
        os.chown(directory, user.uid, user.gid)
