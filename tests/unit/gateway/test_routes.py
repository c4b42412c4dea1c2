from __future__ import annotations

from itertools import count
from typing import Any

import pytest
from google.api import annotations_pb2, http_pb2
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto

from payflow.domain.errors import PayFlowError, Reason
from payflow.v1 import ledger_pb2, payment_intent_pb2, refund_pb2
from server.gateway.json_decoder import message_decoder
from server.gateway.request_message import request_message
from server.gateway.routes import RouteTable, contract_services, routes_of

ROUTES = routes_of(contract_services())
TABLE = RouteTable(ROUTES)
_numbers = count()


def service_with(*rules: http_pb2.HttpRule, streaming: bool = False) -> ServiceDescriptor:
    """A service with one RPC per annotation, such as a later contract may bring."""
    number = next(_numbers)
    package = f"test.routes{number}"
    file = FileDescriptorProto(name=f"routes{number}.proto", package=package, syntax="proto3")
    thing = file.message_type.add(name="Thing")
    for position, name in enumerate(("id", "name"), start=1):
        thing.field.add(name=name, number=position, type=FieldDescriptorProto.TYPE_STRING, label=1)
    wrapped = thing.field.add(name="inner", number=3, type=FieldDescriptorProto.TYPE_MESSAGE, label=1)
    wrapped.type_name = f".{package}.Thing"
    service = file.service.add(name="Things")
    for position, rule in enumerate(rules):
        rpc = service.method.add(
            name=f"Do{position}", input_type=f".{package}.Thing", output_type=f".{package}.Thing"
        )
        rpc.server_streaming = streaming
        extension: Any = annotations_pb2.http
        rpc.options.Extensions[extension].CopyFrom(rule)
    pool: Any = descriptor_pool.Default()
    return pool.AddSerializedFile(file.SerializeToString()).services_by_name["Things"]  # type: ignore[no-any-return]  # the pool's stub has no such method


def test_the_contracts_calls_have_their_routes_and_statuses() -> None:
    served = {(route.http_method, route.template): (route.rpc.name, route.success_status) for route in ROUTES}
    expected = {
        ("POST", "/v1/payment_intents"): ("CreatePaymentIntent", 201),
        ("GET", "/v1/payment_intents/{id}"): ("GetPaymentIntent", 200),
        ("GET", "/v1/payment_intents"): ("ListPaymentIntents", 200),
        ("POST", "/v1/payment_intents/{id}/authorize"): ("AuthorizePaymentIntent", 200),
        ("POST", "/v1/payment_intents/{id}/capture"): ("CapturePaymentIntent", 200),
        ("POST", "/v1/payment_intents/{id}/cancel"): ("CancelPaymentIntent", 200),
        ("GET", "/v1/payment_intents/{id}/events"): ("ListPaymentIntentEvents", 200),
        ("POST", "/v1/payment_intents/{payment_intent_id}/refund"): ("CreateRefund", 200),
        ("POST", "/v1/refunds"): ("CreateRefund", 201),
        ("GET", "/v1/refunds/{id}"): ("GetRefund", 200),
        ("GET", "/v1/refunds"): ("ListRefunds", 200),
        ("POST", "/v1/ledger/accounts"): ("CreateAccount", 201),
        ("POST", "/v1/ledger/transactions"): ("PostTransaction", 201),
        ("POST", "/v1/ledger/transactions:batch"): ("PostTransactions", 200),
        ("POST", "/v1/ledger/transactions/{id}/reverse"): ("ReverseTransaction", 200),
        ("GET", "/v1/ledger/accounts/{account_id}/balance"): ("GetBalance", 200),
        ("GET", "/v1/ledger/trial_balance"): ("GetTrialBalance", 200),
        ("GET", "/v1/ledger/accounts/{account_id}/statement"): ("GetAccountStatement", 200),
        ("POST", "/v1/ledger/balances:batchGet"): ("BatchGetBalances", 200),
    }
    assert expected.items() <= served.items()


def test_every_unary_rpc_of_the_contract_is_reachable() -> None:
    rpcs = {rpc.full_name for service in contract_services() for rpc in service.methods}
    # Its body is not JSON: webhook_endpoint.py takes it as it is.
    raw = {"payflow.v1.WebhookService.ReceiveWebhook"}
    assert rpcs - raw == {route.rpc.full_name for route in ROUTES}
    assert len(rpcs) > 25


@pytest.mark.parametrize(
    ("http_method", "path", "rpc", "variables"),
    [
        ("POST", "/v1/payment_intents", "CreatePaymentIntent", {}),
        ("POST", "/v1/payment_intents/pi_1/capture", "CapturePaymentIntent", {"id": "pi_1"}),
        ("POST", "/v1/ledger/transactions:batch", "PostTransactions", {}),
        ("GET", "/v1/ledger/accounts/sys:fees:a:USD/balance", "GetBalance", {"account_id": "sys:fees:a:USD"}),
        ("GET", "/v1/ledger/accounts/a%2Fb", "GetAccount", {"account_id": "a%2Fb"}),
        ("GET", "/v1/merchants/m/psp_accounts/p", "GetPspAccount", {"merchant_id": "m", "id": "p"}),
    ],
)
def test_requests_find_their_rpc(http_method: str, path: str, rpc: str, variables: dict[str, str]) -> None:
    found = TABLE.find(http_method, path)
    assert found is not None
    assert (found[0].rpc.name, found[1]) == (rpc, variables)


@pytest.mark.parametrize(
    ("http_method", "path"),
    [
        ("DELETE", "/v1/payment_intents/pi_1"),
        ("GET", "/v1/payment_intents/"),
        ("POST", "/v1/payment_intents//capture"),
        ("POST", "/v1/payment_intents/pi_1/Capture"),
        ("POST", "/v1/payment_intents/pi_1/capture/"),
        ("GET", "/"),
        ("GET", ""),
        ("GET", "*"),
        ("POST", "/v1/ledger/transactions:other"),
    ],
)
def test_other_requests_find_nothing(http_method: str, path: str) -> None:
    assert TABLE.find(http_method, path) is None


def test_an_rpc_that_is_new_just_works() -> None:
    service = service_with(
        http_pb2.HttpRule(post="/v2/things", body="*"),
        http_pb2.HttpRule(get="/v2/things/{id}"),
        http_pb2.HttpRule(post="/v2/things/{id}:rename", body="*"),
        http_pb2.HttpRule(put="/v2/things/{id}/inner", body="inner"),
        http_pb2.HttpRule(delete="/v2/things/{id}"),
    )
    routes = routes_of([service])
    assert [route.success_status for route in routes] == [201, 200, 200, 200, 200]
    table = RouteTable(routes)
    found = table.find("POST", "/v2/things/a:b:rename")
    assert found is not None
    assert (found[0].template, found[1]) == ("/v2/things/{id}:rename", {"id": "a:b"})
    found = table.find("PUT", "/v2/things/a/inner")
    assert found is not None
    decode = message_decoder(service.methods_by_name["Do3"].input_type, {})
    message: Any = request_message(found[0], decode, found[1], b"name=n", b'{"name":"x"}')
    assert (message.id, message.name, message.inner.name) == ("a", "n", "x")


@pytest.mark.parametrize(
    "rule",
    [
        http_pb2.HttpRule(get="/v2/{nothing}"),
        http_pb2.HttpRule(get="/v2/{id=**}"),
        http_pb2.HttpRule(get="/v2/{inner.id}"),
        http_pb2.HttpRule(post="/v2/things", body="nothing"),
        http_pb2.HttpRule(get="/v2/things", response_body="inner"),
        http_pb2.HttpRule(custom=http_pb2.CustomHttpPattern(kind="LOCK", path="/v2/things")),
    ],
    ids=str,
)
def test_an_annotation_that_is_not_served_stops_the_start(rule: http_pb2.HttpRule) -> None:
    with pytest.raises(ValueError, match="not supported"):
        routes_of([service_with(rule)])


def test_streams_and_routes_that_clash_stop_the_start() -> None:
    with pytest.raises(ValueError, match="not supported"):
        routes_of([service_with(http_pb2.HttpRule(get="/v2/things"), streaming=True)])
    with pytest.raises(ValueError, match="share"):
        routes_of([service_with(http_pb2.HttpRule(get="/v2/{id}"), http_pb2.HttpRule(get="/v2/{name}"))])


def message_of(http_method: str, path: str, query: bytes = b"", body: bytes = b"") -> object:
    found = TABLE.find(http_method, path)
    assert found is not None
    route, variables = found
    return request_message(route, message_decoder(route.rpc.input_type, {}), variables, query, body)


def test_query_parameters_become_fields() -> None:
    query = b"merchant_id=m&status=created&page_size=20&page_token=a%2Bb"
    assert message_of("GET", "/v1/payment_intents", query) == payment_intent_pb2.ListPaymentIntentsRequest(
        merchant_id="m",
        status=payment_intent_pb2.PAYMENT_INTENT_STATUS_CREATED,
        page_size=20,
        page_token="a+b",
    )
    balance = message_of("GET", "/v1/ledger/accounts/a%3Ab%20c/balance", b"as_of=2025-01-31T12:00:00Z")
    expected = ledger_pb2.GetBalanceRequest(account_id="a:b c")
    expected.as_of.FromJsonString("2025-01-31T12:00:00Z")
    assert balance == expected


@pytest.mark.parametrize(
    ("query", "metadata"),
    [
        (b"metadata[order]=7&metadata[shop]=", {"order": "7", "shop": ""}),
        (b"metadata%5Border%5D=a%2Bb%26c", {"order": "a+b&c"}),
        (b"metadata[a[b]]=1&metadata[%C3%A4%20]=2", {"a[b]": "1", "ä ": "2"}),
        (b"metadata[]=1", {"": "1"}),
    ],
)
def test_the_entries_of_a_map_are_query_parameters(query: bytes, metadata: dict[str, str]) -> None:
    found = message_of("GET", "/v1/ledger/accounts", b"merchant_id=m&type=asset&" + query)
    assert found == ledger_pb2.ListAccountsRequest(
        merchant_id="m", type=ledger_pb2.ACCOUNT_TYPE_ASSET, metadata=metadata
    )


def test_a_path_variable_may_be_repeated_in_the_body() -> None:
    path = "/v1/payment_intents/pi_1/refund"
    assert message_of("POST", path, body=b'{"payment_intent_id":"pi_1"}') == refund_pb2.CreateRefundRequest(
        payment_intent_id="pi_1"
    )
    assert message_of("POST", path) == refund_pb2.CreateRefundRequest(payment_intent_id="pi_1")


LIST = ("GET", "/v1/payment_intents")
ACCOUNTS = ("GET", "/v1/ledger/accounts")
CAPTURE = ("POST", "/v1/payment_intents/pi_1/capture")


@pytest.mark.parametrize(
    ("target", "query", "body", "field"),
    [
        (LIST, b"nonsense=1", b"", "nonsense"),
        (LIST, b"page_size=ten", b"", "page_size"),
        (LIST, b"page_size=1.0", b"", "page_size"),
        (LIST, b"page_size=", b"", "page_size"),
        (LIST, b"page_size=1&page_size=2", b"", "page_size"),
        (LIST, b"status=none", b"", "status"),
        (LIST, b"merchant_id=%FF", b"", "query"),
        (LIST, b"merchant_id=\xff", b"", "query"),
        (LIST, b"&".join([b"a=1"] * 1000), b"", "query"),
        (LIST, b"", b"{}", "body"),
        (LIST, b"page_size[a]=1", b"", "page_size[a]"),
        (ACCOUNTS, b"metadata=a", b"", "metadata"),
        (ACCOUNTS, b"metadata[a=1", b"", "metadata[a"),
        (ACCOUNTS, b"metadata[a]b=1", b"", "metadata[a]b"),
        (ACCOUNTS, b"metadata[a]=1&metadata[a]=1", b"", "metadata[a]"),
        (ACCOUNTS, b"metadata.a=1", b"", "metadata.a"),
        (("GET", "/v1/ledger/accounts/a/balance"), b"as_of=yesterday", b"", "as_of"),
        (("GET", "/v1/ledger/accounts/a/balance"), b"account_id=b", b"", "account_id"),
        (CAPTURE, b"amount=1", b"", "query"),
        (CAPTURE, b"", b'{"id":"pi_2"}', "id"),
        (CAPTURE, b"", b'{"id":""}', "id"),
        (CAPTURE, b"", b'{"amount":1.5}', "amount"),
        (("POST", "/v1/payment_intents/pi%00/capture"), b"", b"", "id"),
        (("POST", "/v1/payment_intents/pi%0a1/capture"), b"", b"", "id"),
        (("POST", "/v1/payment_intents/%ff/capture"), b"", b"", "id"),
    ],
)
def test_bad_requests_are_refused_by_field(
    target: tuple[str, str], query: bytes, body: bytes, field: str
) -> None:
    with pytest.raises(PayFlowError) as refused:
        message_of(*target, query, body)
    assert refused.value.reason is Reason.VALIDATION_FAILED
    assert [violation.field for violation in refused.value.fields] == [field]
