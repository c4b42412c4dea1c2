"""The guides do what they say: every command is run, and what it prints is what the guide shows.

PAYFLOW_REFRESH_GUIDE=1 writes what was printed into the guide instead of comparing.
"""

from __future__ import annotations

import difflib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from server.dev.data_dir import DataDir
from tests import curl_substitute
from tests.databases import Database
from tests.guide import TIMEOUT_S, blocks, run, transcript, with_outputs
from tests.stack import running_stack
from tests.waiting import WAIT_S

DOCS = Path(__file__).parents[2] / "docs"
GUIDES = ("ledger.md", "routing.md", "webhooks.md", "proof.md")
HTTP_ADDRESS = "localhost:8080"


def curl_in(directory: Path) -> Path:
    """A directory with a curl that is written in Python."""
    directory.mkdir()
    program = directory / "curl"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{curl_substitute.__file__}" "$@"\n')
    program.chmod(0o755)
    return directory


@pytest.fixture(scope="module")
def environment(
    database: Database, tmp_path_factory: pytest.TempPathFactory, valkey_url: str
) -> Iterator[dict[str, str]]:
    """Where the guide's commands run; HTTP_ADDRESS is in it as well."""
    directory = tmp_path_factory.mktemp("stack")
    path = [str(Path(sys.executable).parent), os.environ["PATH"]]
    if shutil.which("curl") is None:
        path.append(str(curl_in(directory / "bin")))
    settings = {
        "REDIS_URL": valkey_url,
        "KAFKA_TOPIC_PAYMENTS": "guides",
        "WEBHOOKS_ALLOW_PRIVATE": "1",
        "API_TIMEOUT": f"{WAIT_S:g}s",
    }
    with running_stack(database, directory, **settings) as stack:
        address = stack.serve()
        url = stack.gateway(address)
        key = DataDir(directory / "data", None).signing_key()
        stack.worker(LEDGER_SIGNING_KEY=str(key))
        yield {
            "DATABASE_URL": database.application_url,
            "DATA_DIR": str(key.parent),
            "PATH": os.pathsep.join(path),
            "GRPC_PORT": address.rpartition(":")[2],
            "API_TIMEOUT": settings["API_TIMEOUT"],
            "HTTP_ADDRESS": url.removeprefix("http://"),
        }


@pytest.mark.timeout(2 * TIMEOUT_S)
@pytest.mark.parametrize("name", GUIDES)
def test_every_command_of_a_guide_prints_what_the_guide_shows(
    environment: Mapping[str, str], tmp_path: Path, name: str
) -> None:
    guide = DOCS / name
    markdown = guide.read_text()
    shown = blocks(markdown)
    assert len(shown) == markdown.count("```sh\n")
    commands = [block.commands for block in shown]
    here = [text.replace(HTTP_ADDRESS, environment["HTTP_ADDRESS"]) for text in commands]

    # As in the project's folder, behind a `make run`.
    (tmp_path / "clients").symlink_to(DOCS.parent / "clients")
    (tmp_path / ".payflow").symlink_to(environment["DATA_DIR"])
    printed = run(here, tmp_path, environment)

    if os.environ.get("PAYFLOW_REFRESH_GUIDE"):
        guide.write_text(with_outputs(markdown, printed))
        return
    expected = transcript(commands, [block.output for block in shown])
    actual = transcript(commands, printed)
    if actual != expected:
        difference = difflib.unified_diff(expected, actual, name, "printed", lineterm="")
        pytest.fail("\n".join(difference))


def test_without_curl_python_makes_the_same_calls(environment: Mapping[str, str], tmp_path: Path) -> None:
    substitute = curl_in(tmp_path / "bin") / "curl"
    url = f"http://{environment['HTTP_ADDRESS']}/v1/ledger/accounts"
    headers = ["-H", "Content-Type: application/json", "-H", "Idempotency-Key: open-cash"]
    body = '{"id":"cash","merchant_id":"no_curl","type":"asset","currency":"USD"}'

    opened = subprocess.check_output([substitute, "-s", url, *headers, "-d", body], env=environment)
    read = subprocess.check_output([substitute, "-s", f"{url}/cash?merchant_id=no_curl"], env=environment)

    assert b'"id":"cash"' in opened
    assert read == opened
