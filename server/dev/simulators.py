"""The simulated PSPs of the stack: two of them, so that payments can be seen to go from one to the other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from server.dev.data_dir import DataDir
from server.ports import free_port

HOST = "127.0.0.1"
SIMULATOR_URLS = {"simulator": "SIMULATOR_URL", "simulator_b": "B_SIMULATOR_URL"}


@dataclass(frozen=True, slots=True)
class DevSimulator:
    """One simulated PSP: its process, and what payments find it by.

    ``name`` is its PSP account's and its data's. ``secret`` signs its webhooks.
    """

    name: str
    port: int
    secret: str
    url_variable: str
    secret_variable: str

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def environment(self) -> dict[str, str]:
        """What the processes that serve have to know of it."""
        return {self.url_variable: self.url, self.secret_variable: self.secret}


def dev_simulators(environ: Mapping[str, str], data_dir: DataDir) -> list[DevSimulator]:
    """Both; those that the environment names are somebody else's, and with the first it names all."""
    if environ.get("SIMULATOR_URL"):
        return []
    missing = {name: variable for name, variable in SIMULATOR_URLS.items() if not environ.get(variable)}
    return [_simulator(name, variable, environ, data_dir) for name, variable in missing.items()]


def _simulator(name: str, url_variable: str, environ: Mapping[str, str], data_dir: DataDir) -> DevSimulator:
    secret_variable = url_variable.removesuffix("URL") + "WEBHOOK_SECRET"
    secret = environ.get(secret_variable) or data_dir.webhook_secret(name)
    return DevSimulator(name, free_port(), secret, url_variable, secret_variable)
