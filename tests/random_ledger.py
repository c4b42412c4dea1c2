"""Random requests to LedgerService: what hypothesis draws, and the requests that it stands for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import strategies as st

from payflow.v1 import ledger_pb2 as pb
from tests.ledger_model import Fields, LedgerModel

INT64_MAX = 2**63 - 1
SECOND = 1_000_000
TYPES = ("ASSET", "LIABILITY", "EQUITY", "REVENUE", "EXPENSE")
# More often than not what may be; nobody's account, a payment's and one in no currency are not.
ACCOUNT_IDS = ("", "", "a", "b", "c/1", "d.2", "sys:bank:simulator:USD")
CURRENCIES = ("USD", "USD", "USD", "EUR", "JPY", "XAU")
TEXTS: tuple[Fields, ...] = (
    {},
    {},
    {"description": "Sale"},
    {"metadata": {"kind": "fee"}},
    {"description": "Rück\U0001f4b6", "metadata": {"kind": "sale", "till": "2"}},
)
NAMES: tuple[Fields, ...] = ({}, {"name": "Petty cash"}, {"metadata": {"kind": "fee", "till": "2"}})
FILTERS: tuple[Fields, ...] = ({}, {"kind": "fee"}, {"till": "2", "kind": "sale"}, {"kind": "none"})
LONG_AGO = 946_684_799_999_999

# What a book begins with: id, type, currency and whether it may go negative.
OPENED = (
    ("cash", "ASSET", "USD", True),
    ("till", "ASSET", "USD", False),
    ("wallet", "LIABILITY", "USD", False),
    ("owed", "LIABILITY", "USD", True),
    ("euros", "ASSET", "EUR", True),
    ("euros_owed", "LIABILITY", "EUR", False),
)


# What the accounts that may not go negative are filled with.
FILLED = (
    {"account_id": "till", "amount": 1_000, "currency": "USD"},
    {"account_id": "wallet", "amount": -1_000, "currency": "USD"},
    {"account_id": "euros", "amount": 1_000, "currency": "EUR"},
    {"account_id": "euros_owed", "amount": -1_000, "currency": "EUR"},
)
# And a hold that lapses soon.
HELD = (
    {"account_id": "till", "amount": -30, "currency": "USD"},
    {"account_id": "owed", "amount": 30, "currency": "USD"},
)
HOLD_S = 10


class Fault(StrEnum):
    """What is wrong with a posting at sight."""

    NONE = "none"
    ZERO = "zero"
    LEAST = "least"
    UNBALANCED = "unbalanced"
    NOBODYS = "nobodys"
    CLOSED = "closed"
    OTHER_CURRENCY = "other currency"
    ONE_ENTRY = "one entry"
    TOO_MANY = "too many"


@dataclass(frozen=True, slots=True)
class Leg:
    """An amount from one account to another of its currency; accounts by number."""

    debit: int
    credit: int
    amount: int


@dataclass(frozen=True, slots=True)
class Draft:
    """A posting; ``expires_in_s`` and ``versions`` (account by number, how far off) may be wrong."""

    legs: tuple[Leg, ...]
    pending: bool
    expires_in_s: int | None
    reference: str
    versions: tuple[tuple[int, int], ...]
    texts: int
    dated: bool
    fault: Fault


NUMBERS = st.integers(0, 20)
# Accounts by number, none for -1, and how far off their versions are.
VERSIONS = (((0, 0),), ((1, 0), (2, 0)), ((4, 0),), ((0, 1),), ((3, 0), (0, 2)), ((-1, 0),))
# The last ones are what is left in the till, and a little more; and what takes sums to the end of 64 bits.
AMOUNTS = st.sampled_from((*(1, 2, 5, 30, 100) * 6, 970, 971, 1_000, 1_001, 2**62, INT64_MAX))
FAULTS = st.sampled_from((*[Fault.NONE] * 24, *(fault for fault in Fault if fault is not Fault.NONE)))
DRAFTS = st.builds(
    Draft,
    legs=st.lists(st.builds(Leg, NUMBERS, NUMBERS, AMOUNTS), min_size=1, max_size=3).map(tuple),
    pending=st.booleans(),
    expires_in_s=st.sampled_from((None, None, None, 10, 10, 10, 60, 60, 0)),
    reference=st.sampled_from((*[""] * 12, "r1", "r2", "r3", "r4")),
    versions=st.sampled_from((*[()] * 10, *VERSIONS)),
    texts=st.integers(0, len(TEXTS) - 1),
    dated=st.booleans(),
    fault=FAULTS,
)
ACCOUNTS = st.builds(
    lambda identifier, kind, currency, negative, told: (
        {"id": identifier, "type": kind, "currency": currency, "allow_negative": negative} | told
    ),
    st.sampled_from(ACCOUNT_IDS),
    st.sampled_from(TYPES),
    st.sampled_from(CURRENCIES),
    st.booleans(),
    st.sampled_from(NAMES),
)
# Inside the life of a key, at a hold's last instant, long behind both; and clocks that are set back.
PAUSES_S = st.sampled_from((0.000_001, 1, 10, 10, 10, 60, 5_000, 5_000, -3, -0.000_001))
# Hundredths of a hold; 101 stands for one minor unit more.
SHARES = st.sampled_from((None, None, None, None, 0, 1, 50, 100, 101))


def request_of(draft: Draft, model: LedgerModel, now: int) -> Fields:
    """The request that a draft stands for in a book."""
    request: Fields = {"entries": _entries(draft, model), "pending": draft.pending} | TEXTS[draft.texts]
    if draft.reference:
        request["reference"] = draft.reference
    if draft.dated:
        request["effective_at"] = LONG_AGO
    # A posting does not lapse; only now and then is it asked to.
    if draft.expires_in_s is not None and (draft.pending or draft.legs[0].debit == 1):
        request["expires_at"] = now + draft.expires_in_s * SECOND
    if draft.versions:
        request["expected_versions"] = _versions(draft, model)
    return request


def _entries(draft: Draft, model: LedgerModel) -> list[Fields]:
    entries = [line for leg in draft.legs for line in _lines(leg, list(model.accounts.values()))]
    first = entries[0]
    match draft.fault:
        case Fault.ZERO:
            first["amount"] = 0
        case Fault.LEAST:
            first["amount"] = -(2**63)
        case Fault.UNBALANCED:
            first["amount"] = first["amount"] - 1 or 7
        case Fault.NOBODYS:
            first["account_id"] = "nobodys"
        case Fault.CLOSED:
            first["account_id"] = "sys:bank:simulator:USD"
        case Fault.OTHER_CURRENCY:
            for line in entries[:2]:
                line["currency"] = "JPY" if line["currency"] == "USD" else "USD"
        case Fault.ONE_ENTRY:
            return [first]
        case Fault.TOO_MANY:
            return [*entries, *entries[:2] * 50]
    return entries


def _lines(leg: Leg, accounts: list[Fields]) -> list[Fields]:
    debit = accounts[leg.debit % len(accounts)]
    others = [one for one in accounts if one["currency"] == debit["currency"]]
    credit = others[leg.credit % len(others)]
    return [
        {"account_id": debit["id"], "amount": leg.amount, "currency": debit["currency"]},
        {"account_id": credit["id"], "amount": -leg.amount, "currency": debit["currency"]},
    ]


def _versions(draft: Draft, model: LedgerModel) -> dict[str, int]:
    identifiers = list(model.accounts)
    known = {number: identifiers[number % len(identifiers)] for number, _ in draft.versions if number >= 0}
    return {
        known.get(number, "nobodys"): len(model.history.get(known.get(number, ""), ())) + off
        for number, off in draft.versions
    }


def share_of(held: int, hundredths: int) -> int:
    """Minor units of a hold that a share of SHARES stands for."""
    held = abs(held)
    return held * hundredths // 100 if hundredths < 100 else held + hundredths - 100


def at(microseconds: int) -> Timestamp:
    """An instant as messages have it."""
    stamp = Timestamp()
    stamp.FromMicroseconds(microseconds)
    return stamp


def microseconds(moment: datetime) -> int:
    """An instant as the model has it."""
    stamp = Timestamp()
    stamp.FromDatetime(moment.astimezone(UTC))
    return int(stamp.ToMicroseconds())


def posting(request: Fields, merchant_id: str = "") -> pb.PostTransactionRequest:
    """The message of a request."""
    changed: Fields = {name: at(request[name]) for name in ("effective_at", "expires_at") if name in request}
    changed |= {"entries": [pb.Entry(**entry) for entry in request["entries"]], "merchant_id": merchant_id}
    return pb.PostTransactionRequest(**request | changed)


def opening(request: Fields, merchant_id: str) -> pb.CreateAccountRequest:
    """The message of a request."""
    kind = pb.AccountType.Value(f"ACCOUNT_TYPE_{request['type']}")
    return pb.CreateAccountRequest(**request | {"type": kind, "merchant_id": merchant_id})
