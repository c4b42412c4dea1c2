"""Structured logs on standard error: one JSON object or one readable line a record."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import TextIO

_RECORD_ATTRIBUTES = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def configure_logging(log_format: str, log_level: str, stream: TextIO | None = None) -> None:
    """Sends every record of ``log_level`` or above to ``stream``, standard error when it is None.

    ``log_format`` is ``json`` or ``console``. Fields given as ``extra=`` become fields of the line, so
    a caller writes ``log.info("captured", extra={"correlation_id": ...})``.
    """
    handler = logging.StreamHandler(stream if stream is not None else sys.stderr)
    handler.setFormatter(JsonFormatter() if log_format == "json" else ConsoleFormatter())
    logging.basicConfig(level=log_level.upper(), handlers=[handler], force=True)


class JsonFormatter(logging.Formatter):
    """One JSON object a line: timestamp, level, logger, message, the extra fields, exception."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "timestamp": _utc_timestamp(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {name: value for name, value in _extra_fields(record).items() if name not in line}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str, ensure_ascii=False)


class ConsoleFormatter(logging.Formatter):
    """One line for a person: time, level, logger, message, the extra fields; then a traceback."""

    def format(self, record: logging.LogRecord) -> str:
        extra = "".join(f" {name}={value}" for name, value in _extra_fields(record).items())
        line = (
            f"{_utc_timestamp(record)} {record.levelname:<7} {record.name}: "
            f"{_on_one_line(record.getMessage() + extra)}"
        )
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def _utc_timestamp(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _extra_fields(record: logging.LogRecord) -> dict[str, object]:
    return {name: value for name, value in vars(record).items() if name not in _RECORD_ATTRIBUTES}


def _on_one_line(message: str) -> str:
    """Keeps a message with line breaks in it, a caller's perhaps, from looking like several records."""
    return message.replace("\r", "\\r").replace("\n", "\\n")
