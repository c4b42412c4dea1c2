"""Pages of entries, which lead both ways."""

from __future__ import annotations

from dataclasses import dataclass

from payflow.domain.ledger.booking import INT64_MAX
from payflow.domain.ledger.statements import RecordedEntry
from payflow.v1 import ledger_pb2 as pb
from payflow.wire import ledger_reports
from server.rpc.services import page_token

NEXT = ">"
PREVIOUS = "<"


@dataclass(frozen=True, slots=True)
class EntryPage:
    """A page of a listing: the entries next to, or previous to, the one at ``boundary``.

    Entries are placed by account version, or by position in their transaction; without a boundary the
    page is the first one.
    """

    query: str
    newest_first: bool
    by_version: bool
    backward: bool = False
    boundary: int | None = None

    @property
    def rising(self) -> bool:
        """Whether what the page holds lies above the boundary, and is read upwards."""
        return self.newest_first is self.backward

    @property
    def beyond(self) -> int:
        """The place beyond which the page lies."""
        if self.boundary is not None:
            return self.boundary
        return 0 if self.rising else INT64_MAX

    def response(self, found: list[RecordedEntry], size: int) -> pb.ListEntriesResponse:
        """The page, from one entry more than it may hold, in the order in which they were read."""
        more = len(found) > size
        has_next = self.backward or more
        has_previous = more if self.backward else self.boundary is not None
        entries = found[size - 1 :: -1] if self.backward else found[:size]
        return pb.ListEntriesResponse(
            entries=[ledger_reports.entry(one) for one in entries],
            next_page_token=self._token(NEXT, entries[-1]) if entries and has_next else "",
            previous_page_token=self._token(PREVIOUS, entries[0]) if entries and has_previous else "",
        )

    def _token(self, direction: str, edge: RecordedEntry) -> str:
        place = edge.booked.account_version if self.by_version else edge.position
        return page_token.encode(f"{direction}{place}", self.query)


def entry_page(request: pb.ListEntriesRequest, query: str) -> EntryPage:
    """The page that a request asks for; ``query`` is what its tokens belong to."""
    newest_first = request.order == pb.ENTRY_ORDER_NEWEST_FIRST
    by_version = not request.transaction_id
    position = page_token.decode(request.page_token, query)
    if not position:
        return EntryPage(query, newest_first, by_version)
    [boundary] = page_token.numbers(position[1:], 1)
    return EntryPage(query, newest_first, by_version, position[0] == PREVIOUS, boundary)
