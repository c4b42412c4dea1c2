"""Who answers which request."""

from __future__ import annotations

from collections.abc import Mapping

from server.gateway.app import Endpoint, Served
from server.gateway.webhook_endpoint import WEBHOOK_PATH


class Endpoints:
    """The gateway's own GETs, by path; webhooks; and for all else the contract's RPCs."""

    def __init__(self, own: Mapping[str, Endpoint], webhooks: Served, rpcs: Served) -> None:
        self._own = own
        self._webhooks = webhooks
        self._rpcs = rpcs

    def find(self, http_method: str, raw_path: str) -> Served:
        """What answers a request; the RPCs also answer what nobody knows."""
        if http_method == "GET" and raw_path in self._own:
            return Served(self._own[raw_path], self._rpcs.body_bytes_max)
        if http_method == "POST" and WEBHOOK_PATH.fullmatch(raw_path):
            return self._webhooks
        return self._rpcs
