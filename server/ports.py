"""TCP ports: whether one is free, and finding one that is."""

from __future__ import annotations

import errno
import socket
import sys

_given: set[int] = set()


class PortInUse(Exception):
    """Somebody else listens on a port that we are to listen on."""

    def __init__(self, host: str, port: int, variable: str) -> None:
        super().__init__(
            f"port {port} on {host} is in use by another program; stop it, or choose another port with "
            f"{variable}, such as {variable}={port + 1 if port < 65535 else port - 1}"
        )


def require_free_port(host: str, port: int, variable: str) -> None:
    """Raises PortInUse when ``port``, which the environment's ``variable`` sets, is taken."""
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise PortInUse(host, port, variable) from None
            raise


def free_port(host: str = "127.0.0.1") -> int:
    """A port that nobody listens on, another one each time.

    On Linux it is this process's from now on: the system gives it to nobody else, and what is started on it
    may listen all the same, if it sets SO_REUSEADDR as servers do.
    """
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, 0))
            number: int = probe.getsockname()[1]
            if number in _given:
                continue
            _given.add(number)
            if sys.platform == "linux":
                probe.detach()  # bound until the process ends
            return number
