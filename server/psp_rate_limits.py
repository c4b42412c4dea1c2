"""How often each account at a PSP may be called."""

from __future__ import annotations

from collections.abc import Iterable

from payflow.domain.endpoint import Endpoint
from payflow.domain.gcra import RateLimit
from server.config import ConfigurationError, Settings
from server.config_values import UnexpectedValue, rate_limit


class PspRateLimits:
    """PSP_RATE_LIMIT for every account; ``{CONNECTOR}_RATE_LIMIT`` for those at one PSP goes before it.

    With an account's reference in front, as in ``SHOP1_STRIPE_RATE_LIMIT``, it is that account's alone.
    Raises ConfigurationError for a value that cannot be used.
    """

    def __init__(self, settings: Settings, connectors: Iterable[str]) -> None:
        self._default = settings.psp_rate_limit
        self._limits = {
            variable: _parsed(variable, value)
            for variable, value in settings.environment.items()
            if value and _is_one(variable, connectors)
        }

    def of(self, endpoint: Endpoint) -> RateLimit | None:
        """The limit of one account; None is without limit."""
        of_connector = _variable(endpoint.connector)
        of_account = f"{endpoint.credential_ref}_{of_connector}"
        for variable in (of_account, of_connector):
            if variable in self._limits:
                return self._limits[variable]
        return self._default


def _variable(connector: str) -> str:
    return f"{connector.upper()}_RATE_LIMIT"


def _is_one(variable: str, connectors: Iterable[str]) -> bool:
    return any(variable == name or variable.endswith(f"_{name}") for name in map(_variable, connectors))


def _parsed(variable: str, value: str) -> RateLimit | None:
    try:
        return rate_limit(value)
    except UnexpectedValue as unexpected:
        raise ConfigurationError(variable, value, str(unexpected)) from None
