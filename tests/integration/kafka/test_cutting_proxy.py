"""The proxy before the broker does what the kill runs rest on."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.cutting_proxy import CuttingProxy, running_cutting_proxy
from tests.ports import free_port
from tests.waiting import WAIT_S, wait_until


@pytest.fixture
def proxy() -> Iterator[CuttingProxy]:
    """Before a server that says everything back."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=_say_everything_back, args=(server,)).start()
        with running_cutting_proxy(free_port(), server.getsockname()[1]) as running:
            yield running
        server.shutdown(socket.SHUT_RDWR)


def test_it_passes_on_what_is_said(proxy: CuttingProxy) -> None:
    with closing(_connected(proxy)) as connection:
        assert _said_back(connection, b"x" * 100_000) == b"x" * 100_000


def test_a_cut_resets_connections_and_lets_new_ones_in(proxy: CuttingProxy) -> None:
    with closing(_connected(proxy)) as first, closing(_connected(proxy)) as second:
        assert [_said_back(one, b"hello") for one in (first, second)] == [b"hello", b"hello"]
        proxy.cut()
        assert proxy.cuts == 2
        for one in (first, second):
            with pytest.raises(ConnectionResetError):
                one.recv(1)
    with closing(_connected(proxy)) as third:
        assert _said_back(third, b"again") == b"again"


def test_while_it_refuses_nobody_gets_in(proxy: CuttingProxy) -> None:
    proxy.refuse()
    with pytest.raises(ConnectionRefusedError):
        _connected(proxy)
    proxy.accept()
    with closing(_connected(proxy)) as connection:
        assert _said_back(connection, b"hello") == b"hello"


def test_a_connection_ends_with_its_client(proxy: CuttingProxy) -> None:
    with closing(_connected(proxy)) as connection:
        assert _said_back(connection, b"hello") == b"hello"
    wait_until(lambda: proxy.connections == 0)
    proxy.cut()
    assert proxy.cuts == 0


def _connected(proxy: CuttingProxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=WAIT_S)


def _said_back(connection: socket.socket, what: bytes) -> bytes:
    threading.Thread(target=connection.sendall, args=(what,)).start()
    heard = b""
    while len(heard) < len(what) and (piece := connection.recv(65_536)):
        heard += piece
    return heard


def _say_everything_back(server: socket.socket) -> None:
    while True:
        try:
            connection, _ = server.accept()
        except OSError:
            return
        threading.Thread(target=_echo, args=(connection,)).start()


def _echo(connection: socket.socket) -> None:
    with connection:
        try:
            while piece := connection.recv(65_536):
                connection.sendall(piece)
        except OSError:
            return
