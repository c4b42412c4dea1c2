"""Says which rows of a transaction are not what was sealed, by the copy of them in its event."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from payflow.domain.proof.canonical import EntryRow, TransactionRow, canonical
from payflow.domain.proof.merkle import leaf_hash
from payflow.events.proof.event_copies import Copy


@dataclass(frozen=True, slots=True)
class Finding:
    """A row that is not what was sealed: its table, what names it there, and what is wrong."""

    table: str
    key: str
    what: str

    def __str__(self) -> str:
        return f"{self.table} {self.key} {self.what}"


def is_of_leaf(leaf: bytes, rows: Copy) -> bool:
    """Whether rows are those that a leaf was made of."""
    return leaf_hash(canonical(*rows)) == leaf


def differences(
    stored: TransactionRow | None, entries: Sequence[EntryRow], sealed: Copy
) -> Iterator[Finding]:
    """What stands in each row of a transaction instead of what was sealed."""
    header, sealed_entries = sealed
    key = f"{header.merchant_id} {header.id}"
    if stored is None:
        yield Finding("transactions", key, "is missing")
    else:
        yield from _changed("transactions", key, stored, header)
    there: dict[int, EntryRow] = {}
    for entry in entries:
        if there.setdefault(entry.position, entry) is not entry:
            yield Finding("entries", f"{key} {entry.position}", f"is there again: {_told(entry)}")
    right = {entry.position: entry for entry in sealed_entries}
    for position in sorted(there.keys() | right.keys()):
        entry_key = f"{key} {position}"
        if position not in there:
            yield Finding("entries", entry_key, f"is missing: {_told(right[position])}")
        elif position not in right:
            yield Finding("entries", entry_key, f"was not sealed: {_told(there[position])}")
        else:
            yield from _changed("entries", entry_key, there[position], right[position])


def _changed(table: str, key: str, stored: Any, sealed: Any) -> Iterator[Finding]:
    changed = [
        f"{name} is {_shown(here)}, sealed as {_shown(there)}"
        for name, here, there in zip(stored._fields, stored, sealed, strict=True)
        if here != there
    ]
    if changed:
        yield Finding(table, key, "; ".join(changed))


def _told(entry: EntryRow) -> str:
    return f"{entry.amount} {entry.currency} {entry.layer} on {entry.account_id}"


def _shown(value: object) -> str:
    isoformat = getattr(value, "isoformat", None)
    return isoformat() if isoformat else str(value)
