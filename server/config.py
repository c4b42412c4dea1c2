"""The one configuration of every PayFlow process, read from the environment."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from payflow.domain.gcra import RateLimit
from server.config_values import (
    UnexpectedValue,
    broker_addresses,
    duration_s,
    existing_file,
    integer,
    one_of,
    port,
    rate_limit,
    size_bytes,
    switch,
    text,
    url,
)


class ConfigurationError(Exception):
    """An environment variable that is missing or cannot be used as it is.

    ``value`` is None when the variable is missing, or when it may hold a secret.
    """

    def __init__(self, variable: str, value: str | None, expected: str) -> None:
        shown = variable if value is None else f"{variable}={value!r}"
        super().__init__(f"{shown}: expected {expected}")
        self.variable = variable
        self.value = value
        self.expected = expected


def _variable(name: str, default: str | None, parse: Callable[[str], object], *, secret: bool = False) -> Any:
    """A field that is read from the environment variable ``name``; a secret is never shown."""
    return field(
        default=None if default is None else parse(default),
        repr=not secret,
        metadata={"variable": name, "parse": parse, "secret": secret},
    )


_postgresql_url = url("postgresql", "postgres")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Every setting, with the contract's defaults. ``Settings()`` is an empty environment's."""

    # Addresses
    bind_host: str = _variable("BIND_HOST", "127.0.0.1", text)
    api_port: int = _variable("API_PORT", "8080", port)
    grpc_port: int = _variable("GRPC_PORT", "50051", port)
    prometheus_port: int = _variable("PROMETHEUS_PORT", "9090", port)
    worker_prometheus_port: int | None = _variable("WORKER_PROMETHEUS_PORT", None, port)

    # Where `payflow dev` keeps its data
    data_dir: Path = _variable("PAYFLOW_DATA_DIR", ".payflow", Path)  # noqa: RUF009 (paths are immutable)

    # PostgreSQL; `migrate_database_url` is the owner's and falls back to the application's
    database_url: str | None = _variable("DATABASE_URL", None, _postgresql_url, secret=True)
    migrate_database_url: str | None = _variable("MIGRATE_DATABASE_URL", None, _postgresql_url, secret=True)
    db_max_open_conns: int = _variable("DB_MAX_OPEN_CONNS", "25", integer(1, 10_000))
    db_max_idle_conns: int = _variable("DB_MAX_IDLE_CONNS", "10", integer(0, 10_000))
    db_conn_max_lifetime_s: float = _variable("DB_CONN_MAX_LIFETIME", "5m", duration_s)

    # Redis and idempotency
    redis_url: str | None = _variable("REDIS_URL", None, url("redis", "rediss", "unix"), secret=True)
    redis_pool_size: int = _variable("REDIS_POOL_SIZE", "10", integer(1, 10_000))
    idempotency_ttl_s: float = _variable("IDEMPOTENCY_TTL", "24h", duration_s)

    # Kafka
    kafka_brokers: str | None = _variable("KAFKA_BROKERS", None, broker_addresses)
    kafka_topic_payments: str = _variable("KAFKA_TOPIC_PAYMENTS", "payments.events", text)
    kafka_consumer_group: str = _variable("KAFKA_CONSUMER_GROUP", "payflow-processors", text)

    # Proof: PEM files of the key that signs the ledger's blocks, and of those that may have signed them
    ledger_signing_key: Path | None = _variable("LEDGER_SIGNING_KEY", None, existing_file)  # noqa: RUF009 (paths)
    ledger_public_key: Path | None = _variable("LEDGER_PUBLIC_KEY", None, existing_file)  # noqa: RUF009 (paths)
    kafka_topic_ledger_heads: str | None = _variable("KAFKA_TOPIC_LEDGER_HEADS", None, text)

    # Limits of the API; the rate limits are per merchant and per account at a PSP, None is off
    api_timeout_s: float = _variable("API_TIMEOUT", "30s", duration_s)
    api_max_request_bytes: int = _variable("API_MAX_REQUEST_SIZE", "1MB", size_bytes)
    psp_rate_limit: RateLimit | None = _variable("PSP_RATE_LIMIT", "off", rate_limit)  # noqa: RUF009 (frozen)
    rate_limit: RateLimit | None = _variable("RATE_LIMIT", "1000req/min", rate_limit)  # noqa: RUF009 (frozen)
    grpc_processes: int = _variable("GRPC_PROCESSES", "1", integer(1, 64))
    rpc_threads_max: int = _variable("RPC_THREADS_MAX", "200", integer(4, 1024))

    # For development: merchants' webhooks may go to this machine and its networks, by http and to any port
    webhooks_allow_private: bool = _variable("WEBHOOKS_ALLOW_PRIVATE", "0", switch)

    # The circuit breaker of each account at a payment service provider; the rate is in percent
    cb_failure_threshold: int = _variable("CB_FAILURE_THRESHOLD", "5", integer(1, 1000))
    cb_success_threshold: int = _variable("CB_SUCCESS_THRESHOLD", "2", integer(1, 1000))
    cb_timeout_s: float = _variable("CB_TIMEOUT", "60s", duration_s)
    cb_window_s: float = _variable("CB_WINDOW", "30s", duration_s)
    cb_failure_rate: int = _variable("CB_FAILURE_RATE", "50", integer(1, 100))
    cb_min_calls: int = _variable("CB_MIN_CALLS", "20", integer(1, 1_000_000))

    # Logs and traces
    log_level: str = _variable("LOG_LEVEL", "info", one_of("debug", "info", "warning", "error"))
    log_format: str = _variable("LOG_FORMAT", "json", one_of("json", "console"))
    otel_exporter_otlp_endpoint: str | None = _variable(
        "OTEL_EXPORTER_OTLP_ENDPOINT", None, url("http", "https")
    )
    otel_service_name: str = _variable("OTEL_SERVICE_NAME", "payflow-api", text)

    # All of it, for connectors, which know their own variables
    environment: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.migrate_database_url is None:
            object.__setattr__(self, "migrate_database_url", self.database_url)
        if self.db_max_idle_conns > self.db_max_open_conns:
            object.__setattr__(self, "db_max_idle_conns", self.db_max_open_conns)

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Settings:
        """The settings that ``environ`` asks for; an empty variable counts as not set.

        Raises ConfigurationError for the first value that cannot be used.
        """
        values: dict[str, Any] = {}
        for setting in fields(cls):
            if not setting.metadata:
                continue
            variable = setting.metadata["variable"]
            value = environ.get(variable, "")
            if value:
                values[setting.name] = _parsed(variable, value, setting.metadata)
        settings = cls(**values, environment=dict(environ))
        if settings.database_url is None and settings.migrate_database_url is not None:
            raise ConfigurationError("DATABASE_URL", None, "a URL beside MIGRATE_DATABASE_URL's")
        settings._refuse_shared_ports()
        return settings

    @property
    def ledger_heads_topic(self) -> str:
        """The Kafka topic, or Redis stream, of the heads of the ledger's blocks."""
        return self.kafka_topic_ledger_heads or f"{self.kafka_topic_payments}.ledger-heads"

    def _refuse_shared_ports(self) -> None:
        taken: dict[int | None, str] = {}
        for variable, number in (
            ("API_PORT", self.api_port),
            ("GRPC_PORT", self.grpc_port),
            ("PROMETHEUS_PORT", self.prometheus_port),
            ("WORKER_PROMETHEUS_PORT", self.worker_prometheus_port),
        ):
            if number in taken:
                raise ConfigurationError(variable, str(number), f"another port than {taken[number]}'s")
            taken[number] = variable


def _parsed(variable: str, value: str, metadata: Mapping[str, Any]) -> object:
    try:
        return metadata["parse"](value)
    except UnexpectedValue as unexpected:
        shown = None if metadata["secret"] else value
        raise ConfigurationError(variable, shown, str(unexpected)) from None


def required_database_url(settings: Settings) -> str:
    """The application's database URL. Raises ConfigurationError when there is none."""
    if settings.database_url is None:
        raise ConfigurationError(
            "DATABASE_URL",
            None,
            "the URL of a PostgreSQL database, such as postgresql://payflow_app@localhost/payflow; "
            "`payflow dev` brings a database of its own",
        )
    return settings.database_url
