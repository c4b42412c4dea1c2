"""Finds whose secrets may have signed a webhook, from the account's id in its address."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from payflow.domain.endpoint import Endpoint
from payflow.store.database.pool import Pool

# However many merchants have an account of the id, each step is one descent to the next endpoint.
ENDPOINTS = """
    WITH RECURSIVE endpoint AS (
        (SELECT connector, credential_ref
         FROM psp_accounts
         WHERE id = %s
         ORDER BY connector, credential_ref
         LIMIT 1)
        UNION ALL
        SELECT following.*
        FROM endpoint
        CROSS JOIN LATERAL (
            SELECT connector, credential_ref
            FROM psp_accounts
            WHERE id = %s AND (connector, credential_ref) > (endpoint.connector, endpoint.credential_ref)
            ORDER BY connector, credential_ref
            LIMIT 1
        ) AS following
    )
    SELECT connector, credential_ref FROM endpoint LIMIT %s
"""
ENDPOINT_OF_MERCHANT = "SELECT connector, credential_ref FROM psp_accounts WHERE merchant_id = %s AND id = %s"

FRESH_S = 2.0
CACHED_MAX = 10_000


class WebhookEndpoints:
    """Remembers what it found for FRESH_S; an account that is new is found at once."""

    def __init__(self, pool: Pool, elapsed_s: Callable[[], float] = time.monotonic) -> None:
        self._pool = pool
        self._elapsed_s = elapsed_s
        self._found: dict[tuple[str, str, int], tuple[float, list[Endpoint]]] = {}

    def of(self, psp_account_id: str, merchant_id: str, limit: int, deadline: float) -> Sequence[Endpoint]:
        """Where the accounts of an id lead, disabled ones included: of one merchant, or of all when empty."""
        wanted = (psp_account_id, merchant_id, limit)
        read_at, found = self._found.get(wanted, (0.0, []))
        if found and self._elapsed_s() - read_at < FRESH_S:
            return found
        found = self._read(psp_account_id, merchant_id, limit, deadline)
        if len(self._found) >= CACHED_MAX:
            self._found.clear()
        if found:
            self._found[wanted] = (self._elapsed_s(), found)
        return found

    def _read(self, psp_account_id: str, merchant_id: str, limit: int, deadline: float) -> list[Endpoint]:
        if merchant_id:
            rows = self._pool.all(ENDPOINT_OF_MERCHANT, (merchant_id, psp_account_id), deadline)
        else:
            rows = self._pool.all(ENDPOINTS, (psp_account_id, psp_account_id, limit), deadline)
        return [Endpoint(row["connector"], row["credential_ref"]) for row in rows]
