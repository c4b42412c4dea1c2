"""The proof that a transaction is sealed: over gRPC and HTTP, and checked by the script that knows nothing of
PayFlow, which refuses it with any byte changed."""

from __future__ import annotations

import base64
import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any

import grpc
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from payflow.domain.proof.keys import SigningKey
from payflow.v1 import ledger_pb2 as pb
from tests.http_payments import HttpCaller
from tests.ledger_caller import LedgerCaller
from tests.payments import ApiError
from tests.sealed_books import KEY, seal
from tests.stack import Stack
from tests.waiting import WAIT_S

SCRIPT = Path(__file__).parents[3] / "clients" / "verify_inclusion.py"
TRANSACTIONS = 7
ALL = 1_000_000

Json = dict[str, Any]


def _script() -> Callable[[str, str], None]:
    """The script's main, to be run without a process for each of many proofs."""
    spec = importlib.util.spec_from_file_location("verify_inclusion", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    main: Callable[[str, str], None] = module.main
    return main


@pytest.fixture
def transaction_id(stack: Stack, books: LedgerCaller) -> str:
    """One of several that are sealed together."""
    posted = [books.post(("cash", 100 + number), ("owed", -100 - number)) for number in range(TRANSACTIONS)]
    seal(stack.database, batch_events=ALL)
    return str(posted[TRANSACTIONS // 2].id)


@pytest.fixture
def proof(http: HttpCaller, transaction_id: str) -> Json:
    """As HTTP answers it."""
    found: Json = http.get(f"/v1/ledger/transactions/{transaction_id}/proof").json
    return found


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    """The public key of who seals."""
    path = tmp_path / "key.pub"
    path.write_bytes(KEY.public_pem)
    return path


def _check(proof: Json, key_file: Path) -> subprocess.CompletedProcess[str]:
    proof_file = key_file.with_name("proof.json")
    proof_file.write_text(json.dumps(proof))
    return subprocess.run(
        [sys.executable, "-I", SCRIPT, proof_file, key_file],
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        check=False,
    )


def test_the_script_accepts_a_proof_and_shows_what_it_proves(
    proof: Json, key_file: Path, transaction_id: str
) -> None:
    run = _check(proof, key_file)
    assert run.returncode == 0, run.stderr
    first, *entries = run.stdout.splitlines()
    assert first.startswith(f"{transaction_id} of {proof['merchant_id']} is in block ")
    assert [line.split() for line in entries] == [
        ["103", "USD", "POSTED", "cash"],
        ["-103", "USD", "POSTED", "owed"],
    ]


def test_grpc_and_http_prove_the_same(books: LedgerCaller, proof: Json, transaction_id: str) -> None:
    found = books.ledger.GetInclusionProof(pb.GetInclusionProofRequest(id=transaction_id))
    assert base64.b64decode(proof["content"]) == found.content
    assert [base64.b64decode(one) for one in proof["audit_path"]] == list(found.audit_path)
    assert base64.b64decode(proof["block"]["header"]) == found.block.header
    assert proof["block"]["key_id"] == found.block.key_id == KEY.key_id


def test_the_script_refuses_another_key(proof: Json, key_file: Path) -> None:
    key_file.write_bytes(SigningKey.new().public_pem)
    run = _check(proof, key_file)
    assert run.returncode != 0 and run.stdout == ""


def _changed(data: st.DataObject, proof: Json) -> Json:
    """The proof with one bit of one of its bytes, or the number of its leaf, changed."""
    changed = deepcopy(proof)
    holder, name = data.draw(
        st.sampled_from(
            [
                (changed, "content"),
                (changed["block"], "header"),
                (changed["block"], "signature"),
                *((changed["audit_path"], number) for number in range(len(changed["audit_path"]))),
                (changed, "leaf_index"),
            ]
        )
    )
    if name == "leaf_index":
        changed["leaf_index"] ^= 1 << data.draw(st.integers(0, 8))
        return changed
    content = bytearray(base64.b64decode(holder[name]))
    content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    holder[name] = base64.b64encode(content).decode()
    return changed


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.data())
def test_the_script_refuses_a_proof_with_any_byte_changed(
    proof: Json, key_file: Path, data: st.DataObject
) -> None:
    script = _script()
    proof_file = key_file.with_name("changed.json")
    proof_file.write_text(json.dumps(_changed(data, proof)))
    with pytest.raises((Exception, SystemExit)):
        script(str(proof_file), str(key_file))


def test_the_script_refuses_paths_of_other_lengths(proof: Json, key_file: Path) -> None:
    right = proof["audit_path"]
    paths: list[list[str]] = [right[:-1], right * 2, []]
    for path in paths:
        assert _check({**proof, "audit_path": path}, key_file).returncode != 0


def test_what_is_not_sealed_yet_and_what_is_not_there_is_not_found(
    books: LedgerCaller, http: HttpCaller
) -> None:
    unsealed = books.post(("cash", 1), ("owed", -1)).id
    for identifier in (unsealed, unsealed.replace("txn_0", "txn_1"), "txn_nobodys"):
        with pytest.raises(ApiError) as refusal:
            books.reply(
                books.ledger.GetInclusionProof,
                pb.GetInclusionProofRequest(id=identifier, merchant_id=books.merchant_id),
            )
        assert refusal.value.code is grpc.StatusCode.NOT_FOUND
    assert http.get(f"/v1/ledger/transactions/{unsealed}/proof").status == 404


def test_a_transaction_that_was_tampered_with_has_no_proof(
    stack: Stack, http: HttpCaller, transaction_id: str
) -> None:
    path = f"/v1/ledger/transactions/{transaction_id}/proof"
    with _amounts(stack, transaction_id, times=2):
        assert http.get(path).status == 500
    assert http.get(path).status == 200


@contextmanager
def _amounts(stack: Stack, transaction_id: str, times: int) -> Iterator[None]:
    """What a superuser does, and undoes, because others share the database."""
    with psycopg.connect(stack.database.owner_url, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute(
            "UPDATE entries SET amount = amount * %s WHERE transaction_id = %s", [times, transaction_id]
        )
        yield
        connection.execute(
            "UPDATE entries SET amount = amount / %s WHERE transaction_id = %s", [times, transaction_id]
        )
