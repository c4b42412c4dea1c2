"""What a caller's transaction has to be like before anybody looks at the accounts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from payflow.domain import fields
from payflow.domain.currency import exponent
from payflow.domain.errors import PayFlowError, inside, invalid_field
from payflow.domain.ledger.chart import SYSTEM_PREFIX
from payflow.domain.ledger.transaction import Layer, Posting, Terms

ENTRIES_MIN = 2
ENTRIES_MAX = 100
BULK_MAX = 1_000
# What a client that sets no limit of its own can still read: answers of 4 MB, at about 300 bytes an entry.
BULK_ENTRIES_MAX = 10_000
EXPECTED_VERSIONS_MAX = 100
INT64_MIN = -(2**63)


def own_account_id(value: str, name: str = "account_id") -> str:
    """The id of a caller's own account; the system's are closed to callers."""
    if value.startswith(SYSTEM_PREFIX):
        raise invalid_field(name, f"must not begin with {SYSTEM_PREFIX}, which is PayFlow's own")
    return fields.account_id(value, name)


def postings(lines: Iterable[tuple[str, int, str]], layer: Layer) -> tuple[Posting, ...]:
    """Lines of account, amount and currency, checked one by one; whether they balance is for the booking."""
    checked = []
    for index, line in enumerate(lines):
        try:
            checked.append(_posting(*line, layer))
        except PayFlowError as error:
            raise inside(f"entries[{index}]", error) from None
    if not ENTRIES_MIN <= len(checked) <= ENTRIES_MAX:
        raise invalid_field("entries", f"must be {ENTRIES_MIN} to {ENTRIES_MAX}")
    return tuple(checked)


def _posting(account_id: str, amount: int, currency: str, layer: Layer) -> Posting:
    if amount in (0, INT64_MIN):
        raise invalid_field("amount", "must not be zero, nor the least number of 64 bits")
    exponent(currency)
    return Posting(own_account_id(account_id), amount, currency, layer)


def terms(reference: str, effective_at: datetime | None, expires_at: datetime | None, pending: bool) -> Terms:
    """A transaction's terms; that a hold lapses in the future is told behind the look for duplicates."""
    fields.text("reference", reference, fields.REFERENCE_MAX)
    if expires_at is not None and not pending:
        raise invalid_field("expires_at", "is only for holds, with pending")
    return Terms(reference, effective_at, expires_at)


def expected_versions(versions: Mapping[str, int]) -> dict[str, int]:
    """Versions by account, 0 or more."""
    if len(versions) > EXPECTED_VERSIONS_MAX:
        raise invalid_field("expected_versions", f"must be at most {EXPECTED_VERSIONS_MAX}")
    for account_id, version in versions.items():
        own_account_id(account_id, "expected_versions key")
        fields.whole_number(f"expected_versions[{account_id}]", version, 0, 2**63 - 1)
    return dict(versions)
