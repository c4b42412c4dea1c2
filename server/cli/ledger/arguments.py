"""What is typed behind `payflow ledger`: lines of a transaction, versions, metadata, times."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import wraps
from typing import NamedTuple, TypeVar

import click

from payflow.domain.errors import PayFlowError
from server.cli.amounts import minor_units

VERSION_MAX = 2**63 - 1

T = TypeVar("T")


class Line(NamedTuple):
    """An account and an amount in minor units of ``currency``, debit or credit."""

    account_id: str
    amount: int
    currency: str


def _told(parse: Callable[[str], T]) -> Callable[[str], T]:
    """``parse`` as the type of a parameter: what it raises is what the person is told."""

    @wraps(parse)
    def parsed(text: str) -> T:
        try:
            return parse(text)
        except PayFlowError as error:
            raise click.BadParameter(error.message) from error
        except ValueError as error:
            raise click.BadParameter(str(error)) from error

    return parsed


@_told
def line(text: str) -> Line:
    """An account and what is debited or credited: wallet:alice=25.00USD."""
    account_id, separator, amount = text.partition("=")
    if not (account_id and separator):
        raise ValueError(f"{text!r} is not ACCOUNT=AMOUNT, such as wallet:alice=25.00USD")
    return Line(account_id, *minor_units(amount))


@_told
def expected_version(text: str) -> tuple[str, int]:
    """An account and the version it has to be at: wallet:alice=3."""
    account_id, separator, digits = text.partition("=")
    if not (account_id and separator and digits.isascii() and digits.isdigit()):
        raise ValueError(f"{text!r} is not ACCOUNT=VERSION, such as wallet:alice=3")
    version = int(digits)
    if version > VERSION_MAX:
        raise ValueError(f"{text!r} is more than {VERSION_MAX}")
    return account_id, version


@_told
def key_and_value(text: str) -> tuple[str, str]:
    """One item of metadata: order=1234."""
    key, separator, value = text.partition("=")
    if not (key and separator):
        raise ValueError(f"{text!r} is not KEY=VALUE, such as order=1234")
    return key, value


@_told
def instant(text: str) -> datetime:
    """A time in UTC: 2026-01-31T12:00:00Z, or 2026-01-31 for its midnight; UTC where no offset is given."""
    try:
        found = datetime.fromisoformat(text)
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(f"{text!r} is not a time, such as 2026-01-31 or 2026-01-31T12:00:00Z") from None
