"""PSPs beside intents, and both beside the ledger, which has to tell the same from its entries alone."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tests.chaos.at_psps import PspPayment, Wallets
from tests.chaos.evidence import Evidence, Finding, Row, Wrong
from tests.chaos.history import Story

# Merchant, account.
Account = tuple[str, str]
LINE = ("account_id", "layer", "amount", "currency", "releases")


def check(evidence: Evidence, stories: Mapping[str, Story], wallets: Wallets) -> Iterator[Finding]:
    """Every cent is where intents, ledger and PSPs say that it is."""
    for intent in evidence.intents:
        if intent["id"] in stories:
            yield from _intent(intent, stories[intent["id"]], wallets)
    yield from _ledger(evidence, stories, wallets)
    yield from _transactions(evidence.entries, stories.values())


def _intent(intent: Row, story: Story, wallets: Wallets) -> Iterator[Finding]:
    own = wallets.payments.get(story.own_payment, PspPayment("", "", "", ""))
    told = {
        Wrong.TAKEN_DIFFERS: (intent["captured_amount"], own.taken),
        Wrong.RETURNED_DIFFERS: (intent["refunded_amount"], own.returned),
        Wrong.HELD_DIFFERS: (_held(intent), 0 if story.lapses else own.held),
    }
    for wrong, (by_intent, by_psp) in told.items():
        if by_intent != by_psp:
            yield Finding(wrong, intent["id"], f"intent ({intent['status']}) {by_intent}, PSP {by_psp}")


def _held(intent: Row) -> int:
    operation = intent["operation"]
    stands = operation["resumes"] if operation else intent["status"]
    return int(intent["authorized_amount"]) if stands == "AUTHORIZED" else 0


def _ledger(evidence: Evidence, stories: Mapping[str, Story], wallets: Wallets) -> Iterator[Finding]:
    posted: Counter[Account] = Counter()
    pending: Counter[Account] = Counter()
    for entry in evidence.entries:
        account = (entry["merchant_id"], entry["account_id"])
        (posted if entry["layer"] == "POSTED" else pending)[account] += entry["amount"]
    expected = _expected(evidence.intents, stories, wallets)
    roles = {
        Wrong.CLEARING_DIFFERS: ("psp_clearing", posted),
        Wrong.PAYABLE_DIFFERS: ("merchant_payable", posted),
        Wrong.FEES_DIFFER: ("platform_fees", posted),
        Wrong.HOLDS_DIFFER: ("psp_clearing", pending),
    }
    for wrong, (role, booked) in roles.items():
        of_role = {one: amount for one, amount in booked.items() if f":{role}:" in one[1]}
        for account in sorted({*of_role, *expected[wrong]}):
            if of_role.get(account, 0) != expected[wrong][account]:
                shown_by = f"ledger {of_role.get(account, 0)}, expected {expected[wrong][account]}"
                yield Finding(wrong, account[1], shown_by)


def _expected(
    intents: Iterable[Row], stories: Mapping[str, Story], wallets: Wallets
) -> Mapping[Wrong, Counter[Account]]:
    """What clearing and holds must be by the PSPs' lists, payable and fees by the intents."""
    expected: defaultdict[Wrong, Counter[Account]] = defaultdict(Counter)
    for intent in intents:
        merchant_id, currency = intent["merchant_id"], intent["currency"]
        for payment in wallets.of_intent(intent["id"]):
            clearing = (merchant_id, f"sys:psp_clearing:{payment.psp}:{payment.currency}")
            expected[Wrong.CLEARING_DIFFERS][clearing] += payment.taken - payment.returned
            lapses = intent["id"] in stories and stories[intent["id"]].lapses
            expected[Wrong.HOLDS_DIFFER][clearing] += 0 if lapses else payment.held
        place = f"{intent['psp_account_id']}:{currency}"
        fee = intent["fee_amount"] if intent["captured_amount"] else 0
        owed = intent["captured_amount"] - fee - intent["refunded_amount"]
        expected[Wrong.PAYABLE_DIFFERS][merchant_id, f"sys:merchant_payable:{place}"] -= owed
        expected[Wrong.FEES_DIFFER][merchant_id, f"sys:platform_fees:{place}"] -= fee
    return expected


def _transactions(entries: Iterable[Row], stories: Iterable[Story]) -> Iterator[Finding]:
    """Each sums to zero, and is told by one event, line by line."""
    booked: defaultdict[str, list[Row]] = defaultdict(list)
    for entry in entries:
        booked[entry["transaction_id"]].append(entry)
    for identifier, lines in booked.items():
        sums: Counter[tuple[str, str]] = Counter()
        for line in lines:
            sums[line["currency"], line["layer"]] += line["amount"]
        if any(sums.values()):
            yield Finding(Wrong.UNBALANCED, identifier, str(dict(sums)))
    told = [transaction for story in stories for transaction in story.transactions]
    for transaction in told:
        if _lines(transaction["entries"]) != _lines(booked.pop(transaction["id"], ())):
            yield Finding(Wrong.BOOKED_OTHERWISE, transaction["id"])
    for identifier in booked:
        yield Finding(Wrong.BOOKED_OTHERWISE, identifier, "no event tells of it")


def _lines(entries: Iterable[Row]) -> list[tuple[Any, ...]]:
    return sorted(tuple(entry[name] for name in LINE) for entry in entries)
