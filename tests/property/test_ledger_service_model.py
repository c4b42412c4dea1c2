"""LedgerService over gRPC, committer and PostgreSQL against a ledger in memory: every field of every answer.

PAYFLOW_LEDGER_EXAMPLES runs that many books, at random; without it they are always the same few.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule, run_state_machine_as_test

from payflow.v1 import ledger_pb2 as pb
from tests.books import assert_books_right
from tests.databases import Database
from tests.in_process import KEY_TTL_S, in_process, served
from tests.ledger_agreement import (
    CODES,
    Agreement,
    Ground,
    Sent,
    assert_expected,
    assert_paged,
    assert_same,
    never,
)
from tests.ledger_caller import LedgerCaller
from tests.ledger_model import Fields, Refusal
from tests.payments import ApiError
from tests.plain_messages import plain
from tests.random_ledger import (
    ACCOUNTS,
    DRAFTS,
    FILLED,
    FILTERS,
    HELD,
    HOLD_S,
    INT64_MAX,
    NUMBERS,
    OPENED,
    PAUSES_S,
    SECOND,
    SHARES,
    TEXTS,
    TYPES,
    Draft,
    at,
    opening,
    posting,
    request_of,
    share_of,
)

EXAMPLES = os.environ.get("PAYFLOW_LEDGER_EXAMPLES")
SWEEPS_MAX = 50
STATUSES = ("UNSPECIFIED", "POSTED", "PENDING", "RESOLVED")


@pytest.fixture(scope="module")
def ground(database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    with (
        in_process(database, tmp_path_factory.mktemp("ledger")) as payflow,
        served(payflow.core, payflow.settings) as address,
        LedgerCaller(address) as caller,
    ):
        yield Ground(payflow, caller, Counter())


class LedgerAgrees(Agreement):
    """One merchant's book, a clock that jumps to and fro, and a worker that comes now and then."""

    @initialize(drafts=st.lists(DRAFTS, max_size=4))
    def open_book(self, drafts: list[Draft]) -> None:
        """Accounts with something in them."""
        for identifier, kind, currency, negative in OPENED:
            self.open_account(
                {"id": identifier, "type": kind, "currency": currency, "allow_negative": negative}
            )
        self._post({"entries": FILLED})
        self._post({"entries": HELD, "pending": True, "expires_at": self.now + HOLD_S * SECOND})
        for draft in drafts:
            self.post(draft)

    @rule(request=ACCOUNTS)
    def open_account(self, request: Fields) -> None:
        """CreateAccount."""
        self.ask(
            "CreateAccount",
            opening(request, self.model.merchant_id),
            self.model.why_not_open(request),
            lambda answer: self.model.open(request, answer.id, self.now),
        )

    @rule(draft=DRAFTS)
    def post(self, draft: Draft) -> None:
        """PostTransaction."""
        self._post(request_of(draft, self.model, self.now))

    def _post(self, request: Fields, key: str = "") -> None:
        self.ask(
            "PostTransaction",
            posting(request, self.model.merchant_id),
            self.model.why_not_post(request, self.now),
            lambda answer: self.model.post(request, answer.id, self.now),
            key,
        )

    @rule(drafts=st.lists(DRAFTS, min_size=1, max_size=8))
    def post_many(self, drafts: list[Draft]) -> None:
        """PostTransactions; each sees those before it."""
        requests = [request_of(draft, self.model, self.now) for draft in drafts]
        message = pb.PostTransactionsRequest(
            merchant_id=self.model.merchant_id, transactions=[posting(request) for request in requests]
        )
        key = self.new_key()
        answer = self.caller.reply(self.caller.ledger.PostTransactions, message, key).message
        assert len(answer.results) == len(requests)
        for index, (request, result) in enumerate(zip(requests, answer.results, strict=True)):
            self._assert_item(index, request, result)
        if any(result.HasField("transaction") for result in answer.results):
            self.sent.append(Sent("PostTransactions", message, key, answer, self.now))
        self.ground.seen["PostTransactions"] += 1

    def _assert_item(self, index: int, request: Fields, result: pb.PostTransactionResult) -> None:
        why_not = self.model.why_not_post(request, self.now)
        if result.HasField("transaction"):
            assert not why_not, (request, why_not)
            transaction = result.transaction
            wanted = self.model.post(request, transaction.id, self.now)
            assert_same("PostTransactions", plain(transaction), wanted)
        else:
            told = result.error
            field = told.field.removeprefix(f"transactions[{index}].")
            assert not told.field or field != told.field, "the field is named as it is in the bulk"
            assert_expected(told.reason, field, told.metadata, why_not)
        self.ground.seen[result.error.reason or "one of a bulk"] += 1

    @rule(which=NUMBERS, share=SHARES, texts=NUMBERS)
    def post_hold(self, which: int, share: int | None, texts: int) -> None:
        """PostPending, of so many hundredths."""
        hold_id = self.target(which, lambda one: one["status"] == "PENDING")
        held = self.model.transactions.get(hold_id, {"entries": [{"amount": 1}]})
        amount: Fields = {} if share is None else {"amount": share_of(held["entries"][0]["amount"], share)}
        self._post_hold(hold_id, amount | TEXTS[texts % len(TEXTS)])

    @rule(which=NUMBERS)
    def post_hold_too_late(self, which: int) -> None:
        """PostPending at a hold's last instant or behind it, before the worker comes."""
        self.turn_clock(HOLD_S)
        lapsed = self.model.lapsed_holds(self.now)
        if lapsed:
            self._post_hold(lapsed[which % len(lapsed)], {})
            self.ground.seen["too late"] += 1

    def _post_hold(self, hold_id: str, request: Fields) -> None:
        self.ask(
            "PostPending",
            pb.PostPendingRequest(id=hold_id, **request),
            self.model.why_not_resolve(hold_id, request, self.now, posts=True),
            lambda answer: self.model.resolve(hold_id, request, answer.id, self.now, posts=True),
        )

    @rule(which=NUMBERS, texts=NUMBERS)
    def void(self, which: int, texts: int) -> None:
        """VoidPending."""
        hold_id = self.target(which, lambda one: one["status"] == "PENDING")
        request = TEXTS[texts % len(TEXTS)]
        self.ask(
            "VoidPending",
            pb.VoidPendingRequest(id=hold_id, **request),
            self.model.why_not_resolve(hold_id, request, self.now, posts=False),
            lambda answer: self.model.resolve(hold_id, request, answer.id, self.now, posts=False),
        )

    @rule(which=NUMBERS, reference=st.sampled_from(("", "", "", "r1", "r5")), texts=NUMBERS)
    def reverse(self, which: int, reference: str, texts: int) -> None:
        """ReverseTransaction."""
        identifier = self.target(which, _is_reversible)
        request = TEXTS[texts % len(TEXTS)] | {"reference": reference}
        self.ask(
            "ReverseTransaction",
            pb.ReverseTransactionRequest(id=identifier, **request),
            self.model.why_not_reverse(identifier, request),
            lambda answer: self.model.reverse(identifier, request, answer.id, self.now),
        )

    @rule(which=NUMBERS, draft=st.none() | DRAFTS)
    def send_again(self, which: int, draft: Draft | None) -> None:
        """An earlier request under its key, or another one."""
        if not self.sent:
            return
        # What was sent first has expired first.
        earlier = self.sent[which // 2 % len(self.sent)]
        if self.now >= earlier.at + KEY_TTL_S * SECOND:
            self.ground.seen["expired key"] += 1
            self.sent.remove(earlier)
            self._post({"entries": FILLED}, earlier.key)
            return
        if draft is None:
            reply = self.caller.reply(getattr(self.caller.ledger, earlier.rpc), earlier.request, earlier.key)
            assert (reply.message, reply.replayed) == (earlier.answer, True)
            self.ground.seen["replay"] += 1
        else:
            request = request_of(draft, self.model, self.now) | {"description": "another request"}
            if not self.model.why_not_post(request, self.now):
                message = posting(request, self.model.merchant_id)
                why_not = [Refusal("IDEMPOTENCY_KEY_REUSED")]
                self.ask("PostTransaction", message, why_not, never, earlier.key)

    @rule(pause_s=PAUSES_S)
    def turn_clock(self, pause_s: float) -> None:
        """Holds lapse and keys run out; or the clock was set back."""
        self.instants.append(self.now)
        self.ground.payflow.clock.forward(seconds=pause_s)

    @rule()
    def sweep(self) -> None:
        """The worker voids what has lapsed, side by side; the order is read from the versions."""
        left = self.model.lapsed_holds(self.now)
        sweeps = (self.ground.payflow.recovery.holds() for _ in range(SWEEPS_MAX))
        assert 0 in iter(sweeps), "the worker does not come to an end"
        voids = {}
        for hold_id in left:
            resolved_by = self.caller.transaction(hold_id).resolved_by_transaction_id
            voids[hold_id] = plain(self.caller.transaction(resolved_by))
        while voids:
            hold_id = next(one for one, void in voids.items() if self._is_next(void))
            void = voids.pop(hold_id)
            wanted = self.model.resolve(hold_id, {}, void["id"], self.now, posts=False)
            assert_same("the worker", void, wanted)
            self.ground.seen["lapsed"] += 1

    def _is_next(self, transaction: Fields) -> bool:
        first: dict[str, int] = {}
        for entry in transaction["entries"]:
            first.setdefault(entry["account_id"], entry["account_version"])
        return all(version == len(self.model.history[one]) + 1 for one, version in first.items())

    @rule(which=NUMBERS)
    def read_as_of(self, which: int) -> None:
        """GetBalance, BatchGetBalances and GetTrialBalance as of an instant that was."""
        as_of = self.instant(which)
        account_id = self.account_id(which)
        scope: Fields = {"merchant_id": self.model.merchant_id, "as_of": at(as_of)}
        self.read(
            "GetBalance",
            pb.GetBalanceRequest(account_id=account_id, **scope),
            self.model.balance(account_id, as_of),
        )
        account_ids = self._account_ids(which)
        self.read(
            "BatchGetBalances",
            pb.BatchGetBalancesRequest(account_ids=account_ids, **scope),
            {"balances": [self.model.balance(one, as_of) for one in account_ids]},
        )
        self._read_trial_balance(pb.GetTrialBalanceRequest(**scope), as_of)

    def _account_ids(self, which: int) -> list[str]:
        """All of them in no order of their own, one twice."""
        return [*self.model.accounts, self.account_id(which)][::-1]

    @rule(which=NUMBERS)
    def read_now(self, which: int) -> None:
        """GetAccount, GetBalance, BatchGetBalances and GetTransaction."""
        account_id = self.account_id(which)
        scope: Fields = {"account_id": account_id, "merchant_id": self.model.merchant_id}
        self.read("GetAccount", pb.GetAccountRequest(**scope), self.model.accounts[account_id])
        self.read("GetBalance", pb.GetBalanceRequest(**scope), self.model.balance(account_id))
        account_ids = self._account_ids(which)
        self.read(
            "BatchGetBalances",
            pb.BatchGetBalancesRequest(merchant_id=self.model.merchant_id, account_ids=account_ids),
            {"balances": [self.model.balance(one) for one in account_ids]},
        )
        identifier = self.target(which)
        if identifier in self.model.transactions:
            expected = self.model.transactions[identifier]
            self.read("GetTransaction", pb.GetTransactionRequest(id=identifier), expected)

    @rule(which=NUMBERS, size=st.sampled_from((1, 2, 3, 5, 0)), newest_first=st.booleans())
    def page_entries(self, which: int, size: int, newest_first: bool) -> None:
        """ListEntries of an account, a transaction or both, to the end and back."""
        filters: Fields = {"account_id": self.account_id(which)} if which % 3 else {}
        identifier = self.target(which)
        if identifier in self.model.transactions and which % 3 != 1:
            filters["transaction_id"] = identifier
        if not filters:
            return
        order = pb.ENTRY_ORDER_NEWEST_FIRST if newest_first else pb.ENTRY_ORDER_OLDEST_FIRST
        request = pb.ListEntriesRequest(
            merchant_id=self.model.merchant_id, page_size=size, order=order, **filters
        )
        expected = self.model.entries(**filters)[:: -1 if newest_first else 1]
        pages = self.pages("ListEntries", request)
        assert_paged([plain(page)["entries"] for page in pages], expected, size)
        assert not pages[0].previous_page_token
        for page, before in zip(pages[:0:-1], pages[-2::-1], strict=True):
            request.page_token = page.previous_page_token
            assert self.call("ListEntries", request).entries == before.entries

    @rule(which=NUMBERS, size=st.sampled_from((1, 3, 0)), meanwhile=st.none() | DRAFTS)
    def read_statement(self, which: int, size: int, meanwhile: Draft | None) -> None:
        """GetAccountStatement, between two instants or open to either side, while something is posted."""
        account_id = self.account_id(which)
        start, end = (self.instant(which + 7) if which % 2 else None), self.instant(which + 3)
        if start is not None and end < start:
            start, end = end, start
        request = pb.GetAccountStatementRequest(
            account_id=account_id, merchant_id=self.model.merchant_id, page_size=size, end_time=at(end)
        )
        if start is not None:
            request.start_time.CopyFrom(at(start))
        expected = self.model.statement(account_id, start, end)
        between = (lambda: self.post(meanwhile)) if meanwhile else lambda: None
        pages = [plain(page) for page in self.pages("GetAccountStatement", request, between)]
        assert_paged([page["entries"] for page in pages], expected["entries"], size)
        for page in pages:
            for name in ("account", "opening", "closing"):
                assert _timeless(page[name]) == _timeless(expected[name])

    @rule(kind=st.sampled_from(("", *TYPES)), currency=st.sampled_from(("", "USD", "EUR")), told=NUMBERS)
    def list_accounts(self, kind: str, currency: str, told: int) -> None:
        """ListAccounts."""
        metadata = FILTERS[told % len(FILTERS)]
        asked: Fields = {"type": kind, "currency": currency, "metadata": metadata}
        filters = {name: value for name, value in asked.items() if value}
        number = pb.AccountType.Value(f"ACCOUNT_TYPE_{kind or 'UNSPECIFIED'}")
        size = told % 4
        request = pb.ListAccountsRequest(
            merchant_id=self.model.merchant_id,
            page_size=size,
            **asked | {"type": number},
        )
        pages = [plain(page)["accounts"] for page in self.pages("ListAccounts", request)]
        assert_paged(pages, self.model.list_accounts(filters), size)

    @rule(status=st.sampled_from(STATUSES), reference=st.sampled_from(("", "", "r1", "r2")), told=NUMBERS)
    def list_transactions(self, status: str, reference: str, told: int) -> None:
        """ListTransactions."""
        asked: Fields = {"reference": reference, "metadata": FILTERS[told % len(FILTERS)]}
        filters = {name: value for name, value in asked.items() if value}
        if status != "UNSPECIFIED":
            filters["status"] = status
        size = told % 4
        request = pb.ListTransactionsRequest(
            merchant_id=self.model.merchant_id,
            page_size=size,
            **asked | {"status": pb.TransactionStatus.Value(f"TRANSACTION_STATUS_{status}")},
        )
        pages = [plain(page)["transactions"] for page in self.pages("ListTransactions", request)]
        assert_paged(pages, self.model.list_transactions(filters), size)

    @invariant()
    def trial_balance_agrees(self) -> None:
        """Every account: posted, pending, available and version."""
        self._read_trial_balance(pb.GetTrialBalanceRequest(merchant_id=self.model.merchant_id))

    def _read_trial_balance(self, request: pb.GetTrialBalanceRequest, as_of: int | None = None) -> None:
        expected = self.model.trial_balance(as_of)
        if all(total["debits"] <= INT64_MAX for total in expected["totals"]):
            self.read("GetTrialBalance", request, expected | {"next_page_token": ""})
            return
        with pytest.raises(ApiError, match="LIMIT_REACHED"):
            self.call("GetTrialBalance", request)
        self.ground.seen["LIMIT_REACHED"] += 1

    def teardown(self) -> None:
        """The books hold by themselves, whatever the model thinks."""
        assert_books_right(self.ground.payflow.url)


def _is_reversible(one: Fields) -> bool:
    return one["status"] == "POSTED" and not one["reversed_by_transaction_id"]


def _timeless(told: Fields) -> Fields:
    return {name: value for name, value in told.items() if name != "as_of"}


def test_service_and_model_agree_on_every_answer(ground: Ground) -> None:
    LedgerAgrees.ground = ground
    run_state_machine_as_test(
        LedgerAgrees,
        settings=settings(
            max_examples=int(EXAMPLES or 120),
            stateful_step_count=25,
            deadline=None,
            derandomize=EXAMPLES is None,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )
    seen = ground.seen
    # Proofs are of what was sealed, and nobody seals here: see test_inclusion_proof.py.
    rpcs = {*pb.DESCRIPTOR.services_by_name["LedgerService"].methods_by_name} - {"GetInclusionProof"}
    wanted = rpcs | CODES.keys() | {"replay", "expired key", "lapsed", "too late", "one of a bulk"}
    assert wanted - seen.keys() == set(), f"random requests never got there: {seen}"
