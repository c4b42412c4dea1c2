"""A connector around another one, for tests that stand between PayFlow and a PSP."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from payflow.domain.psp_notice import Notice
from payflow.domain.psp_outcome import Outcome
from payflow.psp.connector import Connector, Delivery, PspCall, SignedItem


class WrappedConnector:
    """Passes everything on. Fulfils payflow.psp.connector.Connector."""

    def __init__(self, inner: Connector) -> None:
        self.name = inner.name
        self.timeout_s = inner.timeout_s
        self.capabilities = inner.capabilities
        self.webhook_reply = inner.webhook_reply
        self.inner = inner

    def missing_settings(self, credential_ref: str) -> Sequence[str]:
        return self.inner.missing_settings(credential_ref)

    def execute(self, call: PspCall) -> Outcome:
        return self.inner.execute(call)

    def look_up(self, call: PspCall) -> Outcome | None:
        return self.inner.look_up(call)

    def cancel_by_reference(self, call: PspCall) -> Outcome:
        return self.inner.cancel_by_reference(call)

    def receive(self, delivery: Delivery, credential_ref: str, now: datetime) -> Sequence[SignedItem]:
        return self.inner.receive(delivery, credential_ref, now)

    def interpret(self, content: bytes, credential_ref: str) -> Notice | None:
        return self.inner.interpret(content, credential_ref)

    def close(self) -> None:
        self.inner.close()
