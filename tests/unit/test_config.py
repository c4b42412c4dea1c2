from __future__ import annotations

from pathlib import Path

import pytest

from payflow.domain.gcra import RateLimit
from server.config import ConfigurationError, Settings, required_database_url

OWNER = "postgresql://owner:hidden-1@db/payflow"
APPLICATION = "postgresql://payflow_app:hidden-2@db/payflow"


def test_an_empty_environment_gives_the_defaults_of_the_contract() -> None:
    settings = Settings.from_environment({})

    assert settings == Settings()
    assert (settings.api_port, settings.grpc_port, settings.prometheus_port) == (8080, 50051, 9090)
    assert settings.data_dir == Path(".payflow")
    assert (settings.database_url, settings.migrate_database_url, settings.redis_url) == (None, None, None)
    assert (settings.db_max_open_conns, settings.db_max_idle_conns) == (25, 10)
    assert settings.db_conn_max_lifetime_s == 5 * 60
    assert settings.redis_pool_size == 10
    assert settings.idempotency_ttl_s == 24 * 60 * 60
    assert settings.kafka_brokers is None
    assert settings.kafka_topic_payments == "payments.events"
    assert settings.kafka_consumer_group == "payflow-processors"
    assert settings.api_timeout_s == 30
    assert settings.api_max_request_bytes == 1_000_000
    assert settings.rate_limit == RateLimit(requests=1000, per_s=60)
    assert settings.psp_rate_limit is None
    assert (settings.cb_failure_threshold, settings.cb_success_threshold) == (5, 2)
    assert settings.cb_timeout_s == 60
    assert (settings.cb_window_s, settings.cb_failure_rate, settings.cb_min_calls) == (30, 50, 20)
    assert (settings.log_level, settings.log_format) == ("info", "json")
    assert settings.otel_service_name == "payflow-api"


def test_an_empty_variable_counts_as_not_set() -> None:
    assert Settings.from_environment({"API_PORT": "", "DATABASE_URL": "", "RATE_LIMIT": ""}) == Settings()


def test_variables_of_others_are_left_alone() -> None:
    assert Settings.from_environment({"PATH": "/bin", "PORT": "x"}) == Settings()


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("250ms", 0.25), ("30s", 30), ("1.5s", 1.5), ("5m", 300), ("24h", 86_400), ("7d", 604_800)],
)
def test_durations(value: str, seconds: float) -> None:
    assert Settings.from_environment({"API_TIMEOUT": value}).api_timeout_s == seconds


@pytest.mark.parametrize(
    ("value", "size"),
    [("1MB", 1_000_000), ("512KB", 512_000), ("4MiB", 4_194_304), ("100B", 100), ("2mb", 2_000_000)],
)
def test_sizes(value: str, size: int) -> None:
    assert Settings.from_environment({"API_MAX_REQUEST_SIZE": value}).api_max_request_bytes == size


@pytest.mark.parametrize(
    ("value", "limit"),
    [
        ("off", None),
        ("1000req/min", RateLimit(1000, 60)),
        ("5req/s", RateLimit(5, 1)),
        ("9req/hour", RateLimit(9, 3600)),
    ],
)
def test_rate_limits(value: str, limit: RateLimit | None) -> None:
    assert Settings.from_environment({"RATE_LIMIT": value}).rate_limit == limit


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("API_PORT", "0", "a port number from 1 to 65535"),
        ("API_PORT", "65536", "a port number from 1 to 65535"),
        ("GRPC_PORT", "http", "a port number from 1 to 65535"),
        ("PROMETHEUS_PORT", "-1", "a port number from 1 to 65535"),
        ("API_TIMEOUT", "30", "its unit"),
        ("API_TIMEOUT", "0s", "above zero"),
        ("IDEMPOTENCY_TTL", "-5m", "above zero"),
        ("DB_CONN_MAX_LIFETIME", "5 m", "its unit"),
        ("API_MAX_REQUEST_SIZE", "1", "its unit"),
        ("API_MAX_REQUEST_SIZE", "0MB", "above zero"),
        ("RATE_LIMIT", "1000", "1000req/min"),
        ("RATE_LIMIT", "0req/min", "off"),
        ("PSP_RATE_LIMIT", "100req/day", "off"),
        ("CB_FAILURE_RATE", "101", "a whole number from 1 to 100"),
        ("CB_MIN_CALLS", "0", "a whole number from 1 to"),
        ("CB_WINDOW", "0s", "above zero"),
        ("DB_MAX_OPEN_CONNS", "0", "a whole number from 1 to 10000"),
        ("DB_MAX_OPEN_CONNS", "\u0661", "a whole number from 1 to 10000"),
        ("LOG_LEVEL", "loud", "one of debug, info, warning, error"),
        ("LOG_FORMAT", "xml", "one of json, console"),
        ("KAFKA_BROKERS", "localhost", "host:port"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4317", "a URL that starts with http:// or https://"),
        ("KAFKA_TOPIC_PAYMENTS", " ", "not blank"),
    ],
)
def test_a_bad_value_is_named_with_its_variable_and_what_was_expected(
    variable: str, value: str, expected: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Settings.from_environment({variable: value})

    assert caught.value.variable == variable
    assert str(caught.value).startswith(f"{variable}={value!r}: expected ")
    assert expected in caught.value.expected


@pytest.mark.parametrize("variable", ["DATABASE_URL", "MIGRATE_DATABASE_URL", "REDIS_URL"])
def test_a_bad_value_that_may_hold_a_password_is_not_shown(variable: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Settings.from_environment({variable: "mysql://user:hidden-3@db/payflow"})

    assert str(caught.value).startswith(f"{variable}: expected a URL that starts with ")
    assert "hidden-3" not in str(caught.value)


def test_secrets_are_not_in_the_representation() -> None:
    settings = Settings.from_environment(
        {
            "DATABASE_URL": APPLICATION,
            "MIGRATE_DATABASE_URL": OWNER,
            "REDIS_URL": "redis://:hidden-4@cache",
            "STRIPE_API_KEY": "hidden-5",
            "STRIPE_WEBHOOK_SECRET": "hidden-6",
            "ADYEN_API_KEY": "hidden-7",
            "ADYEN_HMAC_KEY": "hidden-8",
        }
    )

    assert settings.environment["STRIPE_API_KEY"] == "hidden-5"
    assert "hidden" not in repr(settings)


def test_the_owner_s_database_url_falls_back_to_the_application_s() -> None:
    alone = Settings.from_environment({"DATABASE_URL": APPLICATION})
    both = Settings.from_environment({"DATABASE_URL": APPLICATION, "MIGRATE_DATABASE_URL": OWNER})

    assert alone.migrate_database_url == APPLICATION
    assert both.migrate_database_url == OWNER


def test_the_owner_s_database_url_alone_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"^DATABASE_URL: expected a URL beside"):
        Settings.from_environment({"MIGRATE_DATABASE_URL": OWNER})


def test_idle_connections_are_bounded_by_open_connections() -> None:
    assert Settings.from_environment({"DB_MAX_OPEN_CONNS": "4"}).db_max_idle_conns == 4


def test_two_listeners_may_not_share_a_port() -> None:
    with pytest.raises(
        ConfigurationError, match=r"^PROMETHEUS_PORT='8080': expected another port than API_PORT's"
    ):
        Settings.from_environment({"PROMETHEUS_PORT": "8080"})


def test_a_database_url_that_is_needed_and_missing() -> None:
    with pytest.raises(ConfigurationError, match=r"^DATABASE_URL: expected the URL of a PostgreSQL database"):
        required_database_url(Settings())
