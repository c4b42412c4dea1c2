"""Verifies the sealed ledger: recomputes every leaf, tree and head from the rows, and checks who signed.

What is read is believed of nobody: rows, leaves and blocks may all have been written by somebody else. Only
signatures and the heads that others keep are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from payflow.domain.ids import bucket_of
from payflow.domain.proof import merkle
from payflow.domain.proof.block import NOTHING_BEFORE, PARTS, Block, BlockHeader, part_of
from payflow.domain.proof.canonical import EntryRow
from payflow.domain.proof.keys import PublicKeys
from payflow.events.proof.event_copies import copy_in_events
from payflow.events.proof.tampering import Finding, differences, is_of_leaf
from payflow.store.proof.sealed_ledger import Leaf, SealedLedger
from payflow.wire.booked_transactions import BOOKS_ITSELF, CARRIES, booked_transaction_id, is_known

LEAVES_AT_ONCE = 2_000
OTHER_HEADS_MAX = 1_000
ORPHANS_MAX = 1_000
STRAYS_MAX = 1_000

OnProgress = Callable[[int], None]
Entries = dict[tuple[str, str], list[EntryRow]]


class Verifier:
    """Each method finds what is not as it was sealed, in the order in which it was."""

    def __init__(
        self, ledger: SealedLedger, keys: PublicKeys, progress: OnProgress = lambda entries: None
    ) -> None:
        """``progress`` is told how many more sealed entries were looked at."""
        self._ledger = ledger
        self._keys = keys
        self._progress = progress
        self._last: dict[int, Block] = {}
        self.blocks = 0
        """How many blocks were looked at."""
        self.not_judged: list[int] = []
        """Chains of which it cannot be said yet what has to be in them."""
        self.waiting = 0
        """How many transactions are not sealed yet."""

    def findings(self) -> Iterator[Finding]:
        """Everything that is wrong."""
        for part in range(PARTS):
            yield from self._chain(part)
        yield from self._strays()
        yield from self._unsealed()
        yield from self._orphans()

    @property
    def last_blocks(self) -> list[Block]:
        """The last block of each chain that has any, once it was looked at."""
        return list(self._last.values())

    def _chain(self, part: int) -> Iterator[Finding]:
        others = self._ledger.other_heads(part, OTHER_HEADS_MAX)
        elsewhere = {number: (head, signature, key_id) for number, head, signature, key_id in others}
        for blocks in _grouped(self._ledger.blocks(part)):
            leaves = self._ledger.leaves(part, blocks[0].header.number, blocks[-1].header.number)
            entries = self._ledger.entries([(leaf.merchant_id, leaf.transaction_id) for leaf in leaves])
            by_number: dict[int, list[Leaf]] = {}
            for leaf in leaves:
                by_number.setdefault(leaf.number, []).append(leaf)
            for block in blocks:
                header = block.header
                wrong = [*self._wrong_of_block(block), *self._published(part, header.number, elsewhere)]
                yield from wrong
                yield from self._leaves(block, by_number.get(header.number, []), entries, bool(wrong))
                self._last[part] = block
                self.blocks += 1
                self._progress(header.entry_count)
        last = self._last.get(part)
        for number in sorted(elsewhere):
            if last is None or number > last.header.number:
                yield from self._published(part, number, elsewhere)

    def _wrong_of_block(self, block: Block) -> Iterator[Finding]:
        """What a block says of itself, and of the one before it."""
        header, head = block.header, _hash(block.header)
        before = self._last.get(header.part)
        number = before.header.number + 1 if before else 1
        for missing in range(number, header.number):
            yield Finding("seal_blocks", f"{header.part} {missing}", "is missing")
        said = [
            *(["does not continue the block before it"] if header.previous_head != _head(before) else []),
            *(["counts other entries"] if header.entries != _entries(before) + header.entry_count else []),
            *(["has a head that is not the hash of what it says"] if head != block.head else []),
        ]
        refusal = self._keys.refusal(head, block.signature, block.key_id)
        for what in (*said, *([refusal] if refusal else [])):
            yield Finding("seal_blocks", f"{header.part} {header.number}", what)

    def _published(
        self, part: int, number: int, elsewhere: dict[int, tuple[bytes, bytes, str]]
    ) -> Iterator[Finding]:
        """A head that somebody keeps, and no block has."""
        if number not in elsewhere:
            return
        head, signature, key_id = elsewhere[number]
        key = f"{part} {number}"
        refusal = self._keys.refusal(head, signature, key_id)
        if refusal:
            yield Finding("published heads", key, refusal)
        else:
            yield Finding("seal_blocks", key, f"is not the block whose head was published: {head.hex()}")

    def _leaves(
        self, block: Block, leaves: list[Leaf], entries: Entries, look_closer: bool
    ) -> Iterator[Finding]:
        """The rows that a block was made of; with ``look_closer`` their events are asked, too."""
        header = block.header
        key = f"{header.part} {header.number}"
        positions = {leaf.position for leaf in leaves}
        for position in range(header.transaction_count):
            if position not in positions:
                yield Finding("sealed_transactions", f"{key} {position}", "is missing")
        is_right = merkle.root([leaf.hash for leaf in leaves]) == header.root
        if not is_right:
            yield Finding("seal_blocks", key, "has a root that is not that of its transactions")
        for leaf in leaves:
            yield from self._leaf(header.part, leaf, entries, look_closer or not is_right)

    def _leaf(self, part: int, leaf: Leaf, entries: Entries, look_closer: bool) -> Iterator[Finding]:
        stored = leaf.transaction
        there = entries.get((leaf.merchant_id, leaf.transaction_id), [])
        is_right = stored is not None and is_of_leaf(leaf.hash, (stored, there))
        if not is_right or look_closer:
            yield from self._told(leaf, there, is_right)
        if part_of(leaf.merchant_id) != part:
            yield Finding("sealed_transactions", _key(leaf), f"is in chain {part}, where its merchant is not")
        if stored is not None:
            yield from _derived(leaf)

    def _told(self, leaf: Leaf, there: list[EntryRow], is_right: bool) -> list[Finding]:
        """By the event's copy, where that is what was sealed or, in a block that is wrong, by any."""
        copy = copy_in_events(self._ledger, leaf.merchant_id, leaf.transaction_id)
        told: list[Finding] = []
        if copy is not None and (is_right or is_of_leaf(leaf.hash, copy)):
            told += differences(leaf.transaction, there, copy)
        elif leaf.transaction is None:
            told.append(Finding("transactions", _key(leaf), "is missing"))
        if not is_right and not told:
            what = "or its entries are not what was sealed; nor is its event"
            told.append(Finding("transactions", _key(leaf), what))
        return told

    def _strays(self) -> Iterator[Finding]:
        """Leaves that no block was made of."""
        for merchant_id, transaction_id, part, number in self._ledger.stray_leaves(STRAYS_MAX):
            key = f"{merchant_id} {transaction_id}"
            yield Finding("sealed_transactions", key, f"is of block {part} {number}, which is not there")

    def _unsealed(self) -> Iterator[Finding]:
        """Transactions that are in no block, but must be: no event that is still to be sealed booked them."""
        booked: dict[int, set[tuple[str, str]] | None] = {}
        for merchant_id, transaction_id in self._ledger.unsealed():
            part = part_of(merchant_id)
            if part not in booked:
                booked[part] = self._still_to_be_sealed(part)
            waiting = booked[part]
            if waiting is None or (merchant_id, transaction_id) in waiting:
                self.waiting += 1
            else:
                yield Finding(
                    "transactions",
                    f"{merchant_id} {transaction_id}",
                    "is in no block, and older than the seal",
                )
        self.not_judged = sorted(part for part, waiting in booked.items() if waiting is None)

    def _still_to_be_sealed(self, part: int) -> set[tuple[str, str]] | None:
        """What later database transactions booked than those that are sealed; None where nobody can tell."""
        since = self._sealed_until(part)
        return None if since is None else self._booked_since(part, since)

    def _sealed_until(self, part: int) -> int | None:
        """The database transaction up to which a chain is whole; None while the ledger is gone through.

        The last block's own word is signed; that of the sealer's cursor only ever adds to it.
        """
        here = self._ledger.cluster()
        cluster, xid, goes_through = self._ledger.cursor(part)
        last = self._last.get(part)
        signed = last.header.xid if last and last.header.system_identifier == here else 0
        return max(signed, 0 if goes_through or cluster != here else xid) or None

    def _booked_since(self, part: int, xid: int) -> set[tuple[str, str]] | None:
        """What is still to be sealed; None where events of a newer release may have booked more."""
        booked = set()
        for merchant_id, aggregate_id, name, version, payload in self._ledger.events_since(part, xid):
            if not is_known(name, version):
                return None
            if name in BOOKS_ITSELF:
                booked.add((merchant_id, aggregate_id))
            elif name in CARRIES:
                booked_id = booked_transaction_id(name, payload)
                if booked_id is not None:
                    booked.add((merchant_id, booked_id))
        return booked

    def _orphans(self) -> Iterator[Finding]:
        for merchant_id, account_id, version, transaction_id in self._ledger.orphans(ORPHANS_MAX):
            key = f"{merchant_id} {account_id} {version}"
            yield Finding("entries", key, f"is of transaction {transaction_id}, which is not there")


def _grouped(blocks: Iterable[Block]) -> Iterator[list[Block]]:
    """Neighbours together, as many as have LEAVES_AT_ONCE leaves or a little more."""
    group: list[Block] = []
    for block in blocks:
        group.append(block)
        if sum(one.header.transaction_count for one in group) >= LEAVES_AT_ONCE:
            yield group
            group = []
    if group:
        yield group


def _derived(leaf: Leaf) -> Iterator[Finding]:
    """What is not sealed, because it follows from what is."""
    if leaf.bucket != bucket_of(leaf.merchant_id):
        yield Finding("transactions", _key(leaf), f"has bucket {leaf.bucket}, which is not its merchant's")
    if (leaf.status == "RESOLVED") != leaf.is_resolved:
        taken = "a transaction takes it back" if leaf.is_resolved else "no transaction takes it back"
        yield Finding("transactions", _key(leaf), f"is {leaf.status}, but {taken}")


def _key(leaf: Leaf) -> str:
    return f"{leaf.merchant_id} {leaf.transaction_id}"


def _hash(header: BlockHeader) -> bytes:
    """A block's head, recomputed; none where its numbers are beyond those of any block."""
    try:
        return header.head
    except ValueError:
        return b""


def _head(block: Block | None) -> bytes:
    return block.head if block else NOTHING_BEFORE


def _entries(block: Block | None) -> int:
    return block.header.entries if block else 0
