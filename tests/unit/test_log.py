from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from server.log import configure_logging

log = logging.getLogger("payflow.test")


@pytest.fixture(autouse=True)
def _root_logger_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    for handler in handlers:
        root.removeHandler(handler)
    yield
    for handler in root.handlers[:]:
        root.removeHandler(handler)
    for handler in handlers:
        root.addHandler(handler)
    root.setLevel(level)


def test_json_is_one_object_a_line_with_the_extra_fields() -> None:
    stream = io.StringIO()
    configure_logging("json", "info", stream)

    log.info("took %d cents\nfrom ä", 5, extra={"correlation_id": "c-1", "attempt": 2})

    (line,) = stream.getvalue().splitlines()
    record = json.loads(line)
    timestamp = datetime.fromisoformat(record.pop("timestamp"))
    assert timestamp.tzinfo == UTC
    assert abs((datetime.now(UTC) - timestamp).total_seconds()) < 60
    assert record == {
        "level": "info",
        "logger": "payflow.test",
        "message": "took 5 cents\nfrom ä",
        "correlation_id": "c-1",
        "attempt": 2,
    }


def test_json_keeps_a_traceback_and_what_json_has_no_form_for() -> None:
    stream = io.StringIO()
    configure_logging("json", "info", stream)

    try:
        raise ValueError("broken")
    except ValueError:
        log.exception("failed", extra={"object": {1}})

    record = json.loads(stream.getvalue())
    assert record["level"] == "error"
    assert record["object"] == "{1}"
    assert record["exception"].startswith("Traceback")
    assert record["exception"].endswith("ValueError: broken")


def test_console_is_one_line_even_when_a_message_has_several() -> None:
    stream = io.StringIO()
    configure_logging("console", "info", stream)

    log.warning("first\nsecond", extra={"correlation_id": "c-1"})

    (line,) = stream.getvalue().splitlines()
    assert line.endswith("Z WARNING payflow.test: first\\nsecond correlation_id=c-1")


def test_records_below_the_level_are_left_out() -> None:
    stream = io.StringIO()
    configure_logging("json", "warning", stream)

    log.info("not this")
    log.warning("this")

    assert [json.loads(line)["message"] for line in stream.getvalue().splitlines()] == ["this"]


def test_configuring_again_replaces_what_was_there() -> None:
    before, after = io.StringIO(), io.StringIO()
    configure_logging("json", "info", before)
    configure_logging("json", "info", after)

    log.info("once")

    assert before.getvalue() == ""
    assert len(after.getvalue().splitlines()) == 1
