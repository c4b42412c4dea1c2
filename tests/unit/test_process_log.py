from __future__ import annotations

from pathlib import Path

import pytest

from server.dev import process_log
from server.dev.process_log import ProcessLog

INFO = b"2026-01-02T03:04:05.000000Z INFO    server: fine\n"
ERROR = b"2026-01-02T03:04:05.000000Z ERROR   server: broken\n"


def test_warnings_and_errors_are_shown_with_their_tracebacks_and_all_is_kept(tmp_path: Path) -> None:
    log = ProcessLog(tmp_path / "serve.log")

    shown = log.write(INFO + b"  a detail\n" + ERROR + b"Traceback\n" + INFO)
    log.close()

    assert shown == [ERROR.decode().rstrip(), "Traceback"]
    assert (tmp_path / "serve.log").read_bytes() == INFO + b"  a detail\n" + ERROR + b"Traceback\n" + INFO
    assert log.tail()[-1] == INFO.decode().rstrip()


def test_a_record_may_arrive_in_pieces(tmp_path: Path) -> None:
    log = ProcessLog(tmp_path / "serve.log")

    assert log.write(ERROR[:30]) == []
    assert log.write(ERROR[30:]) == [ERROR.decode().rstrip()]
    log.close()


def test_json_records_are_read_as_well(tmp_path: Path) -> None:
    log = ProcessLog(tmp_path / "serve.log")

    shown = log.write(b'{"level": "info"}\n{"level": "warning", "message": "look"}\n{"level": "info"}\n')
    log.close()

    assert shown == ['{"level": "warning", "message": "look"}']


def test_files_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_log, "FILE_BYTES_MAX", 3 * len(INFO))
    log = ProcessLog(tmp_path / "serve.log")

    for _ in range(10):
        log.write(INFO)
    log.close()

    files = sorted(tmp_path.iterdir())
    assert [file.name for file in files] == ["serve.log", "serve.log.1"]
    assert all(0 < file.stat().st_size <= 3 * len(INFO) for file in files)
