"""The inbox of webhooks as servers use it: puts events in, shows them, and cares for parked ones."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from payflow.domain.ids import BUCKETS, bucket_of
from payflow.domain.webhook import Receipt, ReceivedEvent, Webhook, WebhookFilter, WebhookState
from payflow.store.database.pool import Pool, Rows
from payflow.store.database.statement import columns
from payflow.store.webhook_rows import COLUMNS, WHOLE, webhook

# Sorted, so that two deliveries of the same events never wait for each other.
ADD = """
    INSERT INTO webhook_inbox (
        merchant_id, intent_id, event_id, id, bucket, reference, content, position, connector, credential_ref,
        psp_account_id, received_at, correlation_id, traceparent, state, tries, due_at, detail)
    SELECT item.*, %s, %s, %s, %s::timestamptz, %s, %s, 'PENDING', 0, %s::timestamptz, ''
    FROM unnest(%b::text[], %b::text[], %b::text[], %b::text[], %b::smallint[], %b::text[], %b::bytea[],
                %b::smallint[])
        AS item (merchant_id, intent_id, event_id, id, bucket, reference, content, position)
    ORDER BY item.merchant_id, item.event_id
    ON CONFLICT (merchant_id, connector, credential_ref, event_id) DO NOTHING
    RETURNING event_id
"""

ONE = f"SELECT {WHOLE} FROM webhook_inbox AS item WHERE merchant_id = %s AND id = %s"

# Ids are time-ordered. What is settled is found along the merchant's ids; it is most of what is there.
OF_MERCHANT = f"""
    SELECT {COLUMNS}
    FROM webhook_inbox AS item
    WHERE merchant_id = %s AND id < %s AND (%s = '' OR psp_account_id = %s)
      AND (%s = '' OR state = %s)
    ORDER BY id DESC
    LIMIT %s
"""
# As texts of their own: the index of open ones is for their states alone.
OPEN = {
    state: f"""
    SELECT {COLUMNS}
    FROM generate_series(%s::int, %s::int) AS wanted (bucket)
    CROSS JOIN LATERAL (
        SELECT *
        FROM webhook_inbox
        WHERE bucket = wanted.bucket AND state = '{state}' AND id < %s
          AND (%s = '' OR merchant_id = %s) AND (%s = '' OR psp_account_id = %s)
        ORDER BY id DESC
        LIMIT %s
    ) AS item
    ORDER BY item.id DESC
    LIMIT %s
    """
    for state in (WebhookState.PENDING, WebhookState.PARKED)
}

RETRY = f"""
    UPDATE webhook_inbox AS item
    SET state = 'PENDING', tries = 0, due_at = %s, yields = false, detail = '', settled_at = NULL
    WHERE merchant_id = %s AND id = %s AND state = 'PARKED'
    RETURNING {WHOLE}
"""

DISCARD = f"""
    UPDATE webhook_inbox AS item
    SET state = 'DISCARDED', detail = %s, settled_at = %s
    WHERE merchant_id = %s AND id = %s AND state = 'PARKED'
    RETURNING {WHOLE}
"""

# Behind every id: ids are lower-case ASCII.
NEWEST = "\x7f"


class WebhookInbox:
    """Fulfils payflow.commands.webhook_ports.Inbox. Deadlines are in seconds of time.monotonic."""

    def __init__(self, reads: Pool, writes: Pool) -> None:
        self._reads = reads
        self._writes = writes

    def add(self, receipt: Receipt, events: Sequence[ReceivedEvent], deadline: float) -> set[str]:
        """Puts a delivery in, in one statement, and says which of its events are new, by ``event_id``."""
        rows = [
            (
                one.merchant_id,
                one.intent_id,
                one.event_id,
                one.id,
                bucket_of(one.merchant_id),
                one.reference,
                one.content,
                one.position,
            )
            for one in events
        ]
        shared = (
            receipt.endpoint.connector,
            receipt.endpoint.credential_ref,
            receipt.psp_account_id,
            receipt.received_at,
            receipt.correlation_id,
            receipt.traceparent,
            receipt.received_at,
        )
        added = self._writes.all(ADD, (*shared, *columns(rows)), deadline)
        return {row["event_id"] for row in added}

    def find(self, merchant_id: str, webhook_id: str, deadline: float) -> Webhook | None:
        """One event with its content."""
        row = self._reads.one(ONE, (merchant_id, webhook_id), deadline)
        return webhook(row) if row else None

    def page(self, wanted: WebhookFilter, before: str, limit: int, deadline: float) -> list[Webhook]:
        """Events that match, older than the one with id ``before`` (empty: from the newest).

        All merchants' only where the state is PENDING or PARKED.
        """
        read = self._open if wanted.state in OPEN else self._of_merchant
        found = read(wanted, before or NEWEST, limit, deadline)
        return [webhook(row) for row in found]

    def _open(self, wanted: WebhookFilter, before: str, limit: int, deadline: float) -> Rows:
        merchant_id, account, state = wanted.merchant_id, wanted.psp_account_id, wanted.state
        assert state is not None
        first, last = (bucket_of(merchant_id),) * 2 if merchant_id else (0, BUCKETS - 1)
        parameters = (first, last, before, merchant_id, merchant_id, account, account, limit, limit)
        return self._reads.all(OPEN[state], parameters, deadline)

    def _of_merchant(self, wanted: WebhookFilter, before: str, limit: int, deadline: float) -> Rows:
        account, state = wanted.psp_account_id, wanted.state or ""
        parameters = (wanted.merchant_id, before, account, account, state, state, limit)
        return self._reads.all(OF_MERCHANT, parameters, deadline)

    def retry(self, merchant_id: str, webhook_id: str, now: datetime, deadline: float) -> Webhook | None:
        """Makes a parked event due, as if it had never been tried; None where it is not parked."""
        row = self._writes.one(RETRY, (now, merchant_id, webhook_id), deadline)
        return webhook(row) if row else None

    def discard(
        self, merchant_id: str, webhook_id: str, reason: str, now: datetime, deadline: float
    ) -> Webhook | None:
        """Gives a parked event up; None where it is not parked."""
        row = self._writes.one(DISCARD, (reason, now, merchant_id, webhook_id), deadline)
        return webhook(row) if row else None
