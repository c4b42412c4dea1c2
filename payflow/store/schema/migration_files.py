"""The numbered SQL files of a migrations directory: NNNN_name.up.sql and NNNN_name.down.sql."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from importlib.resources.abc import Traversable

_FILE_NAME = re.compile(r"(?P<version>\d{4})_(?P<name>[a-z0-9_]+)\.(?P<direction>up|down)\.sql")


class MigrationError(Exception):
    """Why a migration cannot go on, in words for the operator; never holds a password."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of the schema, both ways. ``checksum`` is the SHA-256 of the way up, in hexadecimal."""

    version: int
    name: str
    up_sql: bytes
    down_sql: bytes

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.up_sql).hexdigest()

    @property
    def up_file(self) -> str:
        return f"{self.version:04}_{self.name}.up.sql"

    @property
    def down_file(self) -> str:
        return f"{self.version:04}_{self.name}.down.sql"


def load(directory: Traversable) -> tuple[Migration, ...]:
    """Every migration, oldest first, numbered from 1 without a gap.

    Raises MigrationError, naming the file, for a misnamed one, a number that is missing or taken twice,
    or a way up without its way down.
    """
    contents = {
        entry.name: entry.read_bytes() for entry in directory.iterdir() if entry.name.endswith(".sql")
    }
    ups = sorted(name for name in contents if _parsed(name)["direction"] == "up")
    migrations = tuple(_migration(name, position + 1, contents) for position, name in enumerate(ups))
    for name in contents.keys() - {file for each in migrations for file in (each.up_file, each.down_file)}:
        raise MigrationError(f"{name} has no .up.sql beside it")
    return migrations


def _parsed(file_name: str) -> re.Match[str]:
    parsed = _FILE_NAME.fullmatch(file_name)
    if parsed is None:
        raise MigrationError(f"{file_name} is not named like 0001_name.up.sql or 0001_name.down.sql")
    return parsed


def _migration(up_file: str, expected_version: int, contents: dict[str, bytes]) -> Migration:
    parsed = _parsed(up_file)
    if int(parsed["version"]) != expected_version:
        raise MigrationError(
            f"{up_file} should be number {expected_version:04}: numbers go up by one from 0001"
        )
    down_file = f"{parsed['version']}_{parsed['name']}.down.sql"
    if down_file not in contents:
        raise MigrationError(f"{up_file} has no {down_file} beside it")
    return Migration(expected_version, parsed["name"], contents[up_file], contents[down_file])
