"""Asks who is calling, before anything of the request is read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import grpc

from server.rpc.call import current_call, enter_call
from server.rpc.interceptors.unary import Behavior, UnaryInterceptor


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is calling: a name for the audit trail, and the one merchant it may act for."""

    actor: str
    merchant_id: str | None


class Authenticator(Protocol):
    """Tells callers apart."""

    def authenticate(self, context: grpc.ServicerContext) -> Principal | None:
        """The caller; None where nobody asks. Raises UNAUTHENTICATED where it cannot be told."""
        ...


class AuthenticationOff:
    """Lets everyone in as nobody in particular: for a server that listens on loopback only."""

    def authenticate(self, context: grpc.ServicerContext) -> None:
        """Asks nothing."""


class AuthenticationInterceptor(UnaryInterceptor):
    """Puts the principal into the CallContext."""

    def __init__(self, authenticator: Authenticator) -> None:
        super().__init__()
        self._authenticator = authenticator

    def around(self, method: str, proceed: Behavior) -> Behavior:
        authenticate = self._authenticator.authenticate

        def authenticated(request: Any, context: grpc.ServicerContext) -> Any:
            principal = authenticate(context)
            if principal is not None:
                call = current_call()
                enter_call(call._replace(actor=principal.actor, principal_merchant_id=principal.merchant_id))
            return proceed(request, context)

        return authenticated
