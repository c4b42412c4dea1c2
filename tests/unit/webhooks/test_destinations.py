"""URLs that lead where a merchant's webhooks must not go, each refused for its reason."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payflow.domain.errors import PayFlowError, Reason
from payflow.domain.merchant_webhooks.addresses import refusal_of
from payflow.domain.merchant_webhooks.destination import Destination, Forbidden, destination, endpoint_url
from payflow.events.consumers.webhook_post import WebhookPost

SCHEME = "must start with https://"
USER = "must have no user name or password"
PLAIN = "must be printable ASCII without spaces and backslashes"
PORT = "must have port 443 or 8443"
NUMBERS = "must have an IPv4 address as four decimal numbers"
HOST = "must have a host of letters, digits, hyphens and dots"
NOT_PUBLIC = "must have a host that is public"
DOT = "must have a host without a dot at its end"
UNREADABLE = "must be a URL with a host"

REFUSED_BY_URL = [
    # schemes
    ("http://shop.example/hook", SCHEME),
    ("ftp://shop.example/hook", SCHEME),
    ("file:///etc/passwd", SCHEME),
    ("gopher://127.0.0.1:6379/_FLUSHALL", SCHEME),
    ("//shop.example/hook", SCHEME),
    ("https:/shop.example", SCHEME),
    # what parsers take for different hosts
    ("https://shop.example@169.254.169.254/", USER),
    ("https://user:secret@shop.example/", USER),
    ("https://shop.example:443@127.0.0.1/", USER),
    ("https://127.0.0.1\\@shop.example/", PLAIN),
    ("https://shop.example\\.internal/", PLAIN),
    ("https://shop.example /", PLAIN),
    ("https://shop.example/\r\nX-Injected: 1", PLAIN),
    ("https://shop.example/\x00", PLAIN),
    ("https://shop.example/#@127.0.0.1", "must have no fragment"),
    ("https://shop.example/#", "must have no fragment"),
    ("https://%31%32%37.0.0.1/", HOST),
    ("https://[::1", UNREADABLE),
    ("https://shop.example:99999/", UNREADABLE),
    # ports
    ("https://shop.example:22/", PORT),
    ("https://shop.example:6379/", PORT),
    ("https://shop.example:0/", UNREADABLE),
    # loopback, however it is written
    ("https://127.0.0.1/", "127.0.0.1 is loopback"),
    ("https://127.255.255.254/", "is loopback"),
    ("https://2130706433/", NUMBERS),
    ("https://0x7f000001/", NUMBERS),
    ("https://0x7f.0.0.1/", NUMBERS),
    ("https://0177.0.0.1/", NUMBERS),
    ("https://127.1/", NUMBERS),
    ("https://127.0.0.1./", DOT),
    ("https://\uff11\uff12\uff17.0.0.\uff11/", PLAIN),
    ("https://\u2460\u2461\u2466.0.0.1/", PLAIN),
    ("https://127\u30020\u30020\u30021/", PLAIN),
    ("https://[::1]/", "is loopback"),
    ("https://[0:0:0:0:0:0:0:1]/", "is loopback"),
    ("https://[::ffff:127.0.0.1]/", "is loopback"),
    ("https://[::127.0.0.1]/", "is loopback"),
    ("https://localhost/", NOT_PUBLIC),
    ("https://LOCALHOST/", NOT_PUBLIC),
    ("https://localhost./", DOT),
    ("https://app.localhost/", NOT_PUBLIC),
    # private networks
    ("https://10.0.0.1/", "is private"),
    ("https://172.31.255.255/", "is private"),
    ("https://192.168.1.1/", "is private"),
    ("https://100.64.0.1/", "is shared by a provider's customers"),
    ("https://[fd12:3456::1]/", "is private"),
    ("https://[fec0::1]/", "is private"),
    ("https://printer.local/", NOT_PUBLIC),
    ("https://intranet/", NOT_PUBLIC),
    # a cloud's own services
    ("https://169.254.169.254/latest/meta-data/", "is a cloud's own services"),
    ("https://[fd00:ec2::254]/", "is a cloud's own services"),
    ("https://[::ffff:169.254.169.254]/", "is a cloud's own services"),
    ("https://168.63.129.16/", "is a cloud's own services"),
    ("https://100.100.100.200/", "is a cloud's own services"),
    ("https://metadata.google.internal/", NOT_PUBLIC),
    # other addresses that are nobody's
    ("https://0.0.0.0/", "is unspecified"),
    ("https://[::]/", "is unspecified"),
    ("https://169.254.1.1/", "is link-local"),
    ("https://[fe80::1]/", "is link-local"),
    ("https://[fe80::1%25eth0]/", "must not name a network interface"),
    ("https://224.0.0.1/", "is multicast"),
    ("https://[ff02::1]/", "is multicast"),
    ("https://255.255.255.255/", "is broadcast"),
    ("https://240.0.0.1/", "is reserved"),
    ("https://198.51.100.7/", "is for documentation"),
    ("https://[2001:db8::1]/", "is for documentation"),
    # addresses that something on the way makes others of
    ("https://[64:ff9b::7f00:1]/", "is loopback"),
    ("https://[64:ff9b::a9fe:a9fe]/", "is a cloud's own services"),
    ("https://[64:ff9b:1::a00:1]/", "is translated to another address"),
    ("https://[2002:7f00:1::]/", "is loopback"),
    ("https://[2002:a00:1::1]/", "is private"),
    ("https://[2001:0:7f00:1:0:0:f7f7:f7f7]/", "is translated to another address"),
    ("https://[2001:0:0:0:0:0:f5ff:fffe]/", "is private"),
    ("https://[::ffff:8.8.8.8]/", "is translated to another address"),
]

# What a name may resolve to: the URL is good, and the address is not.
REFUSED_BY_ADDRESS = [
    ("127.0.0.1", "loopback"),
    ("169.254.169.254", "a cloud's own services"),
    ("10.1.2.3", "private"),
    ("100.64.0.1", "shared by a provider's customers"),
    ("0.0.0.0", "unspecified"),
    ("::1", "loopback"),
    ("fd00:ec2::254", "a cloud's own services"),
    ("::ffff:10.0.0.1", "private"),
    ("64:ff9b::a00:1", "private"),
    ("2002:c0a8:101::1", "private"),
    ("fe80::1%2", "link-local"),
    ("ff02::1", "multicast"),
]


@pytest.mark.parametrize(("url", "reason"), REFUSED_BY_URL)
def test_a_url_is_refused_for_its_reason(url: str, reason: str) -> None:
    with pytest.raises(PayFlowError, match="url: ") as refused:
        endpoint_url(url, allows_private=False)
    assert refused.value.reason is Reason.VALIDATION_FAILED
    assert reason in refused.value.fields[0].description
    # What got past the check at its creation, under other rules, is refused when it is sent to.
    answer = WebhookPost(resolve=_never).send(url, {}, b"{}")
    assert answer.status is None and reason in answer.detail


@pytest.mark.parametrize(("address", "reason"), REFUSED_BY_ADDRESS)
@pytest.mark.parametrize("others", [[], ["93.184.215.14"]])
def test_a_name_with_any_such_address_is_not_sent_to(address: str, reason: str, others: list[str]) -> None:
    answer = WebhookPost(resolve=lambda host, port: [*others, address]).send(
        "https://shop.example/", {}, b"{}"
    )
    assert answer.status is None
    assert answer.detail.endswith(f"the host has one that is {reason}")


@pytest.mark.parametrize("url", ["https://8.8.8.8/", "https://[2606:4700::1111]:8443/hook?a=b"])
def test_public_addresses_are_let_through(url: str) -> None:
    assert endpoint_url(url, allows_private=False) == url


def test_a_url_is_taken_apart() -> None:
    found = destination("https://Hooks.Shop.example:8443/a/b?c=d")
    assert found == Destination("https", "hooks.shop.example", 8443, "/a/b?c=d")
    assert found.authority == "hooks.shop.example:8443"
    assert destination("https://xn--bcher-kva.example").authority == "xn--bcher-kva.example"
    assert destination("https://xn--bcher-kva.example").target == "/"
    assert destination("https://[2606:4700::1111]/").authority == "[2606:4700::1111]"


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:3000/", "http://localhost/", "https://[::1]:9/", "http://web/"]
)
def test_development_allows_this_machine_and_its_networks(url: str) -> None:
    assert destination(url, allows_private=True).target == "/"


@pytest.mark.parametrize(
    "url", ["http://169.254.169.254/", "http://0.0.0.0/", "http://[ff02::1]/", "ftp://x/"]
)
def test_development_allows_nothing_else(url: str) -> None:
    with pytest.raises(Forbidden):
        destination(url, allows_private=True)


def test_a_url_has_at_most_2000_characters() -> None:
    start = "https://shop.example/"
    assert destination(start + "a" * (2_000 - len(start))).host == "shop.example"
    with pytest.raises(Forbidden, match="1 to 2000 characters"):
        destination(start + "a" * (2_001 - len(start)))


@given(st.integers(0, 2**32 - 1), st.sampled_from(["::ffff:{}", "64:ff9b::{}", "::{}"]))
def test_an_address_inside_another_one_is_never_let_through(number: int, written: str) -> None:
    inner = str(IPv4Address(number))
    assert refusal_of(written.format(inner)) is not None


@given(st.ip_addresses())
def test_what_python_knows_to_be_special_is_never_let_through(address: object) -> None:
    found = ip_address(str(address))
    if refusal_of(str(found)) is None:
        assert found.is_global and not found.is_multicast and not found.is_reserved
        assert not found.is_link_local and not found.is_loopback and not found.is_unspecified


@given(st.ip_addresses(network=IPv4Network("100.64.0.0/10")))
def test_a_providers_shared_addresses_are_refused(address: IPv4Address) -> None:
    assert refusal_of(str(address)) is not None


def _never(host: str, port: int) -> list[str]:
    # An address that is one needs no name server.
    return [host]


@pytest.mark.parametrize(
    ("host", "asked_for"),
    [("shop.example", "shop.example."), ("8.8.8.8", "8.8.8.8"), ("[2600::1]", "2600::1")],
)
def test_no_name_of_the_network_around_it_is_looked_for(host: str, asked_for: str) -> None:
    asked = []

    def resolve(name: str, port: int) -> list[str]:
        asked.append(name)
        return []

    WebhookPost(resolve=resolve).send(f"https://{host}/", {}, b"{}")
    assert asked == [asked_for]
