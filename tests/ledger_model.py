"""A merchant's book in memory, written from the contract alone: dicts and ints, no code of PayFlow's.

Answers are dicts with the fields of the contract's messages. Amounts are minor units, debits positive;
times are microseconds since 1970; ``now`` is the clock's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

INT64_MAX = 2**63 - 1
DEBIT_NORMAL = ("ASSET", "EXPENSE")
OWN_PREFIX = "sys:"
CURRENCIES = ("USD", "EUR", "JPY")

Fields = dict[str, Any]
Request = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Refusal:
    """One way in which a request may be refused; ``metadata`` is what the refusal has to tell at least."""

    reason: str
    field: str = ""
    metadata: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Line:
    """One line on its way into the book."""

    account_id: str
    amount: int
    layer: str = "POSTED"
    releases: bool = False


def invalid(name: str) -> Refusal:
    """A bad field."""
    return Refusal("VALIDATION_FAILED", name)


class LedgerModel:
    """The book. ``why_not_…`` says everything that is wrong with a request; the others assume nothing is."""

    def __init__(self, merchant_id: str) -> None:
        self.merchant_id = merchant_id
        self.accounts: dict[str, Fields] = {}
        self.transactions: dict[str, Fields] = {}
        self.history: dict[str, list[Fields]] = {}

    def why_not_open(self, request: Request) -> list[Refusal]:
        """CreateAccount."""
        identifier = request.get("id", "")
        refusals = [invalid("id")] if identifier.startswith(OWN_PREFIX) else []
        if request["currency"] not in CURRENCIES:
            refusals.append(invalid("currency"))
        if identifier in self.accounts:
            refusals.append(Refusal("ACCOUNT_EXISTS"))
        return refusals

    def open(self, request: Request, identifier: str, now: int) -> Fields:
        """CreateAccount, under the id that it was given."""
        account = {
            "id": identifier,
            "merchant_id": self.merchant_id,
            "name": request.get("name", ""),
            "type": request["type"],
            "currency": request["currency"],
            "allow_negative": request.get("allow_negative", False),
            "metadata": request.get("metadata", {}),
            "created_at": now,
        }
        self.accounts[identifier] = account
        self.history[identifier] = []
        return account

    def why_not_post(self, request: Request, now: int) -> list[Refusal]:
        """PostTransaction."""
        bad_entries = self._bad_entries(request["entries"])
        booking = [] if bad_entries else self._why_not_book(_drafted(request))
        taken = self._taken(request.get("reference", ""))
        moved = self._moved(request.get("expected_versions", {}))
        return [*_bad_terms(request, now), *bad_entries, *taken, *moved, *booking]

    def post(self, request: Request, identifier: str, now: int) -> Fields:
        """PostTransaction."""
        terms = {
            name: request[name] for name in ("reference", "effective_at", "expires_at") if name in request
        }
        status = "PENDING" if request.get("pending") else "POSTED"
        return self._book(_drafted(request), identifier, now, _texts(request) | terms | {"status": status})

    def why_not_resolve(self, hold_id: str, request: Request, now: int, *, posts: bool) -> list[Refusal]:
        """PostPending, or VoidPending."""
        hold = self.transactions.get(hold_id)
        if hold is None:
            return [Refusal("NOT_FOUND")]
        lapsed = hold["expires_at"] is not None and hold["expires_at"] <= now
        if hold["status"] != "PENDING" or (posts and lapsed):
            return [Refusal("INVALID_STATE_TRANSITION")]
        amount = request.get("amount") if posts else None
        most = abs(hold["entries"][0]["amount"])
        if amount is not None and (len(hold["entries"]) != 2 or not 0 < amount <= most):
            return [invalid("amount")]
        return self._why_not_book(_resolution(hold, amount, posts=posts), undoing=True)

    def resolve(self, hold_id: str, request: Request, identifier: str, now: int, *, posts: bool) -> Fields:
        """PostPending, VoidPending, or what becomes of a hold that has lapsed."""
        hold = self.transactions[hold_id]
        lines = _resolution(hold, request.get("amount"), posts=posts)
        made = self._book(lines, identifier, now, _texts(request) | {"resolves_transaction_id": hold_id})
        hold.update(status="RESOLVED", resolved_by_transaction_id=identifier)
        return made

    def lapsed_holds(self, now: int) -> list[str]:
        """The holds that are open behind their time."""
        return [
            identifier
            for identifier, one in self.transactions.items()
            if one["status"] == "PENDING" and one["expires_at"] is not None and one["expires_at"] <= now
        ]

    def why_not_reverse(self, identifier: str, request: Request) -> list[Refusal]:
        """ReverseTransaction."""
        original = self.transactions.get(identifier)
        if original is None:
            return [Refusal("NOT_FOUND")]
        lines = _opposite(original)
        if not lines or original["reversed_by_transaction_id"]:
            return [Refusal("INVALID_STATE_TRANSITION")]
        return self._taken(request.get("reference", "")) + self._why_not_book(lines, undoing=True)

    def reverse(self, reversed_id: str, request: Request, identifier: str, now: int) -> Fields:
        """ReverseTransaction."""
        original = self.transactions[reversed_id]
        terms = {"reference": request.get("reference", ""), "reverses_transaction_id": reversed_id}
        made = self._book(_opposite(original), identifier, now, _texts(request) | terms)
        original["reversed_by_transaction_id"] = identifier
        return made

    def _bad_entries(self, entries: Sequence[Request]) -> list[Refusal]:
        refusals = [] if 2 <= len(entries) <= 100 else [invalid("entries")]
        sums: dict[str, int] = {}
        debits: dict[str, int] = {}
        for index, entry in enumerate(entries):
            account_id, amount, currency = entry["account_id"], entry["amount"], entry["currency"]
            name = f"entries[{index}]"
            sums[currency] = sums.get(currency, 0) + amount
            debits[currency] = debits.get(currency, 0) + max(0, amount)
            if amount in (0, -(2**63)) or (amount > 0 and debits[currency] > INT64_MAX):
                refusals.append(invalid(f"{name}.amount"))
            if account_id.startswith(OWN_PREFIX):
                refusals.append(invalid(f"{name}.account_id"))
            elif account_id not in self.accounts:
                refusals.append(Refusal("NOT_FOUND"))
            elif self.accounts[account_id]["currency"] != currency:
                refusals.append(Refusal("CURRENCY_MISMATCH", f"{name}.currency"))
        if any(sums.values()):
            refusals.append(Refusal("UNBALANCED_TRANSACTION"))
        return refusals

    def _taken(self, reference: str) -> list[Refusal]:
        return [
            Refusal("TRANSACTION_EXISTS", metadata=(("transaction_id", identifier),))
            for identifier, one in self.transactions.items()
            if reference and one["reference"] == reference
        ]

    def _moved(self, expected_versions: Mapping[str, int]) -> list[Refusal]:
        refusals = []
        for account_id, version in expected_versions.items():
            history = self.history.get(account_id)
            if history is None:
                refusals.append(Refusal("NOT_FOUND"))
            elif len(history) != version:
                metadata = (("account_id", account_id), ("version", str(len(history))))
                refusals.append(Refusal("CONCURRENT_UPDATE", metadata=metadata))
        return refusals

    def _why_not_book(self, lines: Sequence[Line], *, undoing: bool = False) -> list[Refusal]:
        entries = self._entries(lines, "", 0)
        sums = ("posted_after", "pending_debits_after", "pending_credits_after", "available_after")
        refusals = [
            invalid("id" if undoing else f"entries[{index}].amount")
            for index, entry in enumerate(entries)
            if max(abs(entry[name]) for name in sums) > INT64_MAX
        ]
        last = {entry["account_id"]: entry["available_after"] for entry in entries}
        for account_id, available in last.items():
            if available < 0 and not self.accounts[account_id]["allow_negative"]:
                refusals.append(Refusal("INSUFFICIENT_BALANCE", metadata=(("account_id", account_id),)))
        return refusals

    def _book(self, lines: Sequence[Line], identifier: str, now: int, told: Fields) -> Fields:
        touched = [self.history[line.account_id] for line in lines]
        recorded_at = max([now, *(history[-1]["recorded_at"] for history in touched if history)])
        entries = self._entries(lines, identifier, recorded_at)
        for entry in entries:
            self.history[entry["account_id"]].append(entry)
        transaction = NO_TRANSACTION | {"id": identifier, "merchant_id": self.merchant_id} | told
        transaction |= {"entries": entries, "created_at": recorded_at}
        self.transactions[identifier] = transaction
        return dict(transaction)

    def _entries(self, lines: Sequence[Line], identifier: str, recorded_at: int) -> list[Fields]:
        entries: list[Fields] = []
        last = {line.account_id: self.balance(line.account_id) for line in lines}
        for position, line in enumerate(lines, 1):
            entry = self._entry(line, last[line.account_id])
            entry |= {"transaction_id": identifier, "recorded_at": recorded_at, "position": position}
            entries.append(entry)
            last[line.account_id] = _balance_behind(entry)
        return entries

    def _entry(self, line: Line, before: Fields) -> Fields:
        posted, debits, credits = before["posted"], before["pending_debits"], before["pending_credits"]
        if line.layer == "POSTED":
            posted += line.amount
        elif (line.amount > 0) != line.releases:
            debits += line.amount
        else:
            credits -= line.amount
        account = self.accounts[line.account_id]
        return {
            "account_id": line.account_id,
            "layer": line.layer,
            "amount": line.amount,
            "currency": account["currency"],
            "releases": line.releases,
            "balance_after": posted if line.layer == "POSTED" else debits - credits,
            "account_version": before["version"] + 1,
            "posted_after": posted,
            "pending_debits_after": debits,
            "pending_credits_after": credits,
            "available_after": posted - credits if account["type"] in DEBIT_NORMAL else -posted - debits,
        }

    def balance(self, account_id: str, as_of: int | None = None) -> Fields:
        """GetBalance."""
        past = [one for one in self.history[account_id] if as_of is None or one["recorded_at"] <= as_of]
        if past:
            found = _balance_behind(past[-1])
        else:
            found = NOTHING | {"account_id": account_id, "currency": self.accounts[account_id]["currency"]}
        return found if as_of is None else found | {"as_of": as_of}

    def trial_balance(self, as_of: int | None = None) -> Fields:
        """GetTrialBalance, all of it in one page."""
        balances = [self.balance(account_id, as_of) for account_id in sorted(self.accounts)]
        totals = []
        for currency in sorted({one["currency"] for one in balances}):
            posted = [one["posted"] for one in balances if one["currency"] == currency]
            debits, credits = sum(max(0, one) for one in posted), sum(max(0, -one) for one in posted)
            total = {"currency": currency, "debits": debits, "credits": credits}
            totals.append(total | {"difference": debits - credits})
        return {"balances": balances, "totals": totals}

    def entries(self, account_id: str = "", transaction_id: str = "") -> list[Fields]:
        """ListEntries, oldest first."""
        if transaction_id:
            listed = self.transactions[transaction_id]["entries"]
            return [one for one in listed if account_id in ("", one["account_id"])]
        return list(self.history[account_id])

    def statement(self, account_id: str, start: int | None, end: int | None) -> Fields:
        """GetAccountStatement without the instants of its two balances, all of it in one page."""
        history = self.history[account_id]
        before = [one for one in history if start is not None and one["recorded_at"] < start]
        until = [one for one in history if end is None or one["recorded_at"] < end]
        nothing = NOTHING | {"account_id": account_id, "currency": self.accounts[account_id]["currency"]}
        opening = _balance_behind(before[-1]) if before else nothing
        return {
            "account": self.accounts[account_id],
            "opening": opening,
            "entries": until[len(before) :],
            "closing": _balance_behind(until[-1]) if len(until) > len(before) else opening,
        }

    def list_accounts(self, filters: Request) -> list[Fields]:
        """ListAccounts."""
        return [one for _, one in sorted(self.accounts.items()) if _matches(one, filters)]

    def list_transactions(self, filters: Request) -> list[Fields]:
        """ListTransactions, in the order of their ids, falling."""
        return [one for _, one in sorted(self.transactions.items(), reverse=True) if _matches(one, filters)]


NO_TRANSACTION: Fields = {
    "description": "",
    "reference": "",
    "status": "POSTED",
    "effective_at": None,
    "expires_at": None,
    "reverses_transaction_id": "",
    "resolves_transaction_id": "",
    "reversed_by_transaction_id": "",
    "resolved_by_transaction_id": "",
    "metadata": {},
}
NOTHING: Fields = {
    "posted": 0,
    "pending_debits": 0,
    "pending_credits": 0,
    "available": 0,
    "version": 0,
    "as_of": None,
}


def _bad_terms(request: Request, now: int) -> list[Refusal]:
    expires_at = request.get("expires_at")
    if expires_at is not None and (not request.get("pending") or expires_at <= now):
        return [invalid("expires_at")]
    return []


def _drafted(request: Request) -> list[Line]:
    layer = "PENDING" if request.get("pending") else "POSTED"
    return [Line(entry["account_id"], entry["amount"], layer) for entry in request["entries"]]


def _texts(request: Request) -> Fields:
    return {name: request[name] for name in ("description", "metadata") if name in request}


def _resolution(hold: Fields, amount: int | None, *, posts: bool) -> list[Line]:
    """All of a hold taken back, and what is posted of it."""
    taken_back = [Line(one["account_id"], -one["amount"], "PENDING", True) for one in hold["entries"]]
    return taken_back + [
        Line(one["account_id"], _part(one["amount"], amount)) for one in hold["entries"] if posts
    ]


def _part(held: int, amount: int | None) -> int:
    if amount is None:
        return held
    return amount if held > 0 else -amount


def _opposite(transaction: Fields) -> list[Line]:
    posted: Iterable[Fields] = (one for one in transaction["entries"] if one["layer"] == "POSTED")
    return [Line(one["account_id"], -one["amount"]) for one in posted]


def _balance_behind(entry: Fields) -> Fields:
    return {
        "account_id": entry["account_id"],
        "currency": entry["currency"],
        "posted": entry["posted_after"],
        "pending_debits": entry["pending_debits_after"],
        "pending_credits": entry["pending_credits_after"],
        "available": entry["available_after"],
        "version": entry["account_version"],
        "as_of": entry.get("recorded_at"),
    }


def _matches(one: Fields, filters: Request) -> bool:
    asked = dict(filters)
    metadata = asked.pop("metadata", {})
    return (
        all(one[name] == value for name, value in asked.items())
        and metadata.items() <= one["metadata"].items()
    )
