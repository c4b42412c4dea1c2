"""A book that is kept twice, by LedgerService and by the model: asks both and compares what they say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any, ClassVar

from google.protobuf.message import Message
from hypothesis.stateful import RuleBasedStateMachine

from tests.identifiers import never_given
from tests.in_process import InProcess
from tests.ledger_caller import LedgerCaller
from tests.ledger_model import Fields, LedgerModel, Refusal
from tests.payments import ApiError
from tests.plain_messages import plain
from tests.random_ledger import microseconds

PAGE_SIZE_DEFAULT = 50
PAGES_MAX = 1_000
CODES = {
    "VALIDATION_FAILED": "INVALID_ARGUMENT",
    "UNBALANCED_TRANSACTION": "INVALID_ARGUMENT",
    "CURRENCY_MISMATCH": "INVALID_ARGUMENT",
    "IDEMPOTENCY_KEY_REUSED": "INVALID_ARGUMENT",
    "NOT_FOUND": "NOT_FOUND",
    "ACCOUNT_EXISTS": "ALREADY_EXISTS",
    "TRANSACTION_EXISTS": "ALREADY_EXISTS",
    "INSUFFICIENT_BALANCE": "FAILED_PRECONDITION",
    "INVALID_STATE_TRANSITION": "FAILED_PRECONDITION",
    "CONCURRENT_UPDATE": "ABORTED",
}


@dataclass(frozen=True, slots=True)
class Ground:
    """One PayFlow for all runs, each with a book of its own; ``seen`` counts what happened."""

    payflow: InProcess
    caller: LedgerCaller
    seen: Counter[str]


@dataclass(frozen=True, slots=True)
class Sent:
    """A request that had an effect, and its answer."""

    rpc: str
    request: Message
    key: str
    answer: Message
    at: int


class Agreement(RuleBasedStateMachine):
    """One merchant's book, the clock, and what was sent."""

    names = count(1)
    ground: ClassVar[Ground]

    def __init__(self) -> None:
        super().__init__()
        self.caller = self.ground.caller
        self.caller.merchant_id = f"book{next(self.names)}"
        self.model = LedgerModel(self.caller.merchant_id)
        self.sent: list[Sent] = []
        self.keys = count(1)
        self.instants = [self.now]

    @property
    def now(self) -> int:
        """What the clock shows, in microseconds since 1970."""
        return microseconds(self.ground.payflow.clock.now())

    def ask(
        self,
        rpc: str,
        message: Message,
        why_not: Sequence[Refusal],
        expected: Callable[[Any], Fields],
        key: str = "",
    ) -> None:
        """Sends a changing call, which is refused for one of the reasons, or answers what is expected."""
        key = key or self.new_key()
        try:
            reply = self.caller.reply(getattr(self.caller.ledger, rpc), message, key)
        except ApiError as error:
            assert error.code.name == CODES[error.reason], error
            assert len(error.fields) <= 1
            assert_expected(error.reason, "".join(error.fields), error.metadata, why_not)
            self.ground.seen[error.reason] += 1
        else:
            assert not why_not, (rpc, reply.message, why_not)
            assert not reply.replayed, rpc
            self.sent.append(Sent(rpc, message, key, reply.message, self.now))
            assert_same(rpc, plain(reply.message), expected(reply.message))
            self.ground.seen[rpc] += 1

    def new_key(self) -> str:
        """A key that was not used before."""
        return f"key-{next(self.keys)}"

    def call(self, rpc: str, message: Message) -> Any:
        """The answer of a read."""
        self.ground.seen[rpc] += 1
        return self.caller.reply(getattr(self.caller.ledger, rpc), message).message

    def read(self, rpc: str, message: Message, expected: Fields) -> None:
        """Compares the answer of a read."""
        assert_same(rpc, plain(self.call(rpc, message)), expected)

    def pages(self, rpc: str, request: Any, between: Callable[[], None] = lambda: None) -> list[Any]:
        """Every page from the first on; ``between`` happens behind the first."""
        pages = [self.call(rpc, request)]
        between()
        while pages[-1].next_page_token:
            request.page_token = pages[-1].next_page_token
            pages.append(self.call(rpc, request))
            assert len(pages) < PAGES_MAX, f"{rpc} does not come to an end"
        return pages

    def target(self, which: int, fits: Callable[[Fields], bool] = lambda one: True) -> str:
        """A transaction that fits, if there is one; now and then any, or one that never was."""
        known = list(self.model.transactions.values())
        found = [one for one in known if fits(one)] if which % 5 else []
        found = found or known
        if not found:
            return "txn_none"
        identifier = str(found[which % len(found)]["id"])
        return never_given(identifier) if which == 20 else identifier

    def account_id(self, which: int) -> str:
        """One of the accounts."""
        return list(self.model.accounts)[which % len(self.model.accounts)]

    def instant(self, which: int) -> int:
        """One at which something was recorded, or the clock was turned, or right beside it."""
        recorded = [one["created_at"] for one in self.model.transactions.values()]
        instants = [*self.instants, *recorded, self.now]
        return int(instants[which * 7 % len(instants)]) + which % 3 - 1


def assert_same(what: str, told: Fields, wanted: Fields) -> None:
    """Field by field."""
    assert told.keys() == wanted.keys(), what
    different = {name: (told[name], wanted[name]) for name in told if told[name] != wanted[name]}
    assert not different, f"{what} (told, wanted): {different}"


def assert_expected(reason: str, field: str, metadata: Any, why_not: Sequence[Refusal]) -> None:
    """The refusal is one of those that the model knows."""
    told = dict(metadata).items()
    assert any(
        (one.reason, one.field) == (reason, field) and dict(one.metadata).items() <= told for one in why_not
    ), (reason, field, dict(metadata), why_not)


def assert_paged(pages: list[list[Fields]], expected: list[Fields], size: int) -> None:
    """Together they are what was expected, each as full as it may be."""
    listed = [one for page in pages for one in page]
    assert listed == expected, f"(told, wanted): {listed}, {expected}"
    full = size or PAGE_SIZE_DEFAULT
    assert [len(page) for page in pages[:-1]] == [full] * (len(pages) - 1)
    assert pages[-1] or len(pages) == 1
    assert len(pages[-1]) <= full


def never(answer: Message) -> Fields:
    """What is expected of a request that has to be refused."""
    raise AssertionError(f"it answered {answer}")
