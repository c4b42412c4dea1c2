"""Finds the PSP connectors that are installed and gives each its settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import TypeVar

from payflow.psp.connector import ENTRY_POINT_GROUP, Connector, ConnectorFactory
from server import config_values
from server.config import ConfigurationError
from server.config_values import UnexpectedValue

# A lease and a drain rest on it.
TIMEOUT_MAX_S = 300.0

Value = TypeVar("Value")

_url = config_values.url("https", "http")


class ConnectorSettings:
    """Environment variables as connectors ask for them. Fulfils payflow.psp.connector.Settings.

    Raises ConfigurationError for a value that cannot be used.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    def text(self, name: str, credential_ref: str = "") -> str | None:
        """A string, None where it is not set."""
        return self._environment.get(f"{credential_ref}_{name}" if credential_ref else name) or None

    def url(self, name: str, default: str, credential_ref: str = "") -> str:
        """An http or https URL, without a slash at its end."""
        value = self.text(name, credential_ref) or default
        return self._parsed(name, value, _url).rstrip("/")

    def duration_s(self, name: str, default_s: float) -> float:
        """Seconds, written such as ``10s`` or ``24h``."""
        value = self.text(name)
        return default_s if value is None else self._parsed(name, value, config_values.duration_s)

    def _parsed(self, name: str, value: str, parse: Callable[[str], Value]) -> Value:
        try:
            return parse(value)
        except UnexpectedValue as unexpected:
            raise ConfigurationError(name, value, str(unexpected)) from None


def load_connectors(environment: Mapping[str, str]) -> dict[str, Connector]:
    """Every connector that an installed package offers, by name.

    Raises ConfigurationError for a setting that cannot be used, ValueError for a connector that breaks
    the rules of all.
    """
    settings = ConnectorSettings(environment)
    connectors: dict[str, Connector] = {}
    for entry_point in sorted(entry_points(group=ENTRY_POINT_GROUP), key=lambda one: one.name):
        connectors[entry_point.name] = _loaded(entry_point, settings)
    return connectors


def _loaded(entry_point: EntryPoint, settings: ConnectorSettings) -> Connector:
    factory: ConnectorFactory = entry_point.load()
    connector = factory(settings)
    if connector.name != entry_point.name:
        raise ValueError(f"the entry point {entry_point.name} makes a connector named {connector.name}")
    if not 0 < connector.timeout_s <= TIMEOUT_MAX_S:
        raise ValueError(f"the time-out of connector {connector.name} is not from 0 to {TIMEOUT_MAX_S:g} s")
    return connector
