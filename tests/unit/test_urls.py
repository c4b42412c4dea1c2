from __future__ import annotations

import pytest

from server.urls import without_password


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://app:hidden@db:5432/payflow", "postgresql://app:***@db:5432/payflow"),
        ("postgresql://app:hid/d@en@db/payflow", "postgresql://app:***@db/payflow"),
        ("postgresql://app@/payflow?host=/run&port=5432", "postgresql://app@/payflow?host=/run&port=5432"),
        (
            "postgresql://db/payflow?user=app&password=hidden&sslpassword=h",
            "postgresql://db/payflow?user=app&password=***&sslpassword=***",
        ),
        ("redis://:hidden@cache:6379/0", "redis://:***@cache:6379/0"),
        ("unix:///tmp/run/valkey.sock", "unix:///tmp/run/valkey.sock"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
    ],
)
def test_only_the_password_is_hidden(url: str, shown: str) -> None:
    assert without_password(url) == shown
