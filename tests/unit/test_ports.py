from __future__ import annotations

import socket

import pytest

from server.ports import PortInUse, free_port, require_free_port


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
