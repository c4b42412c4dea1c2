from __future__ import annotations

import socket
import sys
from typing import Any

import pytest

from server.ports import PortInUse, free_port, require_free_port
from tests.ports import free_port as port_for_a_test


def test_a_taken_port_is_named_with_its_variable_and_another_number() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(PortInUse, match=rf"port {port} on 127\.0\.0\.1 is in use .* GRPC_PORT=\d+"):
            require_free_port("127.0.0.1", port, "GRPC_PORT")


def test_a_free_port_can_be_listened_on() -> None:
    port = free_port()
    require_free_port("127.0.0.1", port, "API_PORT")
    with socket.create_server(("127.0.0.1", port)) as listener:
        assert listener.getsockname()[1] == port


def test_a_port_that_the_system_gives_again_is_not_given_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = port_for_a_test(), port_for_a_test()
    chosen = iter([one, one, other])

    class Choosing(socket.socket):
        def bind(self, address: Any) -> None:
            super().bind((address[0], next(chosen)))

    monkeypatch.setattr(socket, "socket", Choosing)
    assert [free_port(), free_port()] == [one, other]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nobody could listen on it, either")
def test_a_free_port_is_nobody_elses_until_it_is_listened_on() -> None:
    port = free_port()
    with socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind(("127.0.0.1", port))
