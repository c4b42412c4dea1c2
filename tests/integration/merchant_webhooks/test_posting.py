"""One webhook over a real connection: to the address that was looked at, under the name asked for."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import trustme

from payflow.events.consumers import webhook_post
from payflow.events.consumers.webhook_post import WebhookPost
from tests.merchant_receiver import MerchantReceiver, merchant_receiver
from tests.ports import free_port
from tests.waiting import WAIT_S

NAME = "hooks.shop.example"
BODY = b'{"type":"payment_intent.created"}'


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[trustme.CA, str]:
    """A certificate authority, and the file that says to trust it."""
    made = trustme.CA()
    path = tmp_path_factory.mktemp("authority") / "ca.pem"
    made.cert_pem.write_to_path(str(path))
    return made, str(path)


@contextmanager
def _receiver(authority: trustme.CA, name: str) -> Iterator[MerchantReceiver]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    with merchant_receiver(context, NAME) as receiver:
        yield receiver


def test_the_name_is_kept_on_the_way_to_its_address(authority: tuple[trustme.CA, str]) -> None:
    with _receiver(authority[0], NAME) as receiver:
        post = WebhookPost(True, lambda host, port: ["127.0.0.1"], authority[1])
        assert post.send(receiver.url, {"webhook-id": "1"}, BODY).status == 200
        [arrival] = receiver.arrivals()
        assert arrival.headers["host"] == receiver.url.split("/")[2]
        assert arrival.body == BODY


def test_a_certificate_for_another_name_is_not_believed(authority: tuple[trustme.CA, str]) -> None:
    with _receiver(authority[0], "other.example") as receiver:
        post = WebhookPost(True, lambda host, port: ["127.0.0.1"], authority[1])
        answer = post.send(receiver.url, {}, BODY)
        assert answer.status is None and "TLS failed" in answer.detail
        assert receiver.arrivals() == []


def test_a_certificate_of_nobody_known_is_not_believed(authority: tuple[trustme.CA, str]) -> None:
    with _receiver(authority[0], NAME) as receiver:
        answer = WebhookPost(True, lambda host, port: ["127.0.0.1"]).send(receiver.url, {}, BODY)
        assert answer.status is None and "TLS failed" in answer.detail


def test_a_name_is_resolved_once_for_looking_and_connecting() -> None:
    asked = []

    def rebinding(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["169.254.169.254"]

    with merchant_receiver(host=NAME) as receiver:
        assert WebhookPost(True, rebinding).send(receiver.url, {}, BODY).status == 200
    assert asked == [NAME]


def test_the_next_address_is_tried_where_nobody_listens() -> None:
    with merchant_receiver(host=NAME) as receiver:
        post = WebhookPost(True, lambda host, port: ["127.0.0.9", "127.0.0.1"])
        assert post.send(receiver.url, {}, BODY).status == 200


def test_a_proxy_of_the_environment_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    with merchant_receiver() as receiver:
        assert WebhookPost(True).send(receiver.url, {}, BODY).status == 200


@pytest.mark.parametrize(
    ("addresses", "detail"),
    [([], "the host name has no address"), (["127.0.0.1"], "no connection could be made")],
)
def test_what_cannot_be_reached_is_told_in_plain_words(addresses: list[str], detail: str) -> None:
    answer = WebhookPost(True, lambda host, port: addresses).send(f"http://{NAME}:{free_port()}/", {}, BODY)
    assert (answer.status, answer.detail) == (None, detail)


def test_a_name_that_does_not_resolve() -> None:
    def failing(host: str, port: int) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    answer = WebhookPost(True, failing).send(f"http://{NAME}/", {}, BODY)
    assert answer.detail == "the host name has no address"


def _dripping(listener: socket.socket, stop: threading.Event) -> None:
    connection, _ = listener.accept()
    with connection:
        connection.recv(65_536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        while not stop.wait(0.02):
            try:
                connection.sendall(b"a")
            except OSError:
                return


def test_an_answer_that_drips_in_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook_post, "TIMEOUT_S", 0.5)
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_dripping, args=(listener, stop))
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        answer = WebhookPost(True).send(url, {}, BODY)
        stop.set()
        thread.join(WAIT_S)
    assert (answer.status, answer.detail) == (None, "there was no answer in time")


def test_an_answer_without_end_is_not_read_to_its_end() -> None:
    def endless(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65_536)
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            try:
                while True:
                    connection.sendall(b"a" * 65_536)
            except OSError:
                return

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=endless, args=(listener,))
        thread.start()
        assert (
            WebhookPost(True).send(f"http://127.0.0.1:{listener.getsockname()[1]}/", {}, BODY).status == 200
        )
        thread.join(WAIT_S)
        assert not thread.is_alive()
