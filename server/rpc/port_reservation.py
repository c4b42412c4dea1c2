"""Claims a TCP port before gRPC does: with SO_REUSEPORT a second server would bind it silently."""

from __future__ import annotations

import errno
import socket
from typing import Final

from server.ports import PortInUse

VARIABLE: Final = "GRPC_PORT"


class PortReservation:
    """A port that this process has to itself, and that its children may share with SO_REUSEPORT.

    It is bound alone, which fails if anyone is there, and opened to sharing only then; it never listens,
    so no connection is ever given to it. ``number`` is the port, also where 0 asked for any. Raises
    PortInUse, and OSError where the address cannot be had for another reason.
    """

    def __init__(self, host: str, port: int) -> None:
        family, kind, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        self._socket = socket.socket(family, kind)
        try:
            # Connections of a server that was just stopped do not count as someone being there.
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._socket.bind(address)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        except OSError as error:
            self._socket.close()
            if error.errno == errno.EADDRINUSE:
                raise PortInUse(host, port, VARIABLE) from None
            raise
        self.number: int = self._socket.getsockname()[1]

    def release(self) -> None:
        """Gives the port back; children that listen on it keep it."""
        self._socket.close()
