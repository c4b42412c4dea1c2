from __future__ import annotations

import json
import math
from typing import Any

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from hypothesis import given, settings
from hypothesis import strategies as st

from payflow.domain.errors import PayFlowError, Reason
from payflow.v1 import events_pb2, ledger_pb2, payment_intent_pb2, refund_pb2
from payflow.wire.json_encoder import MessageEncoders
from server.gateway.enum_names import enum_names
from server.gateway.json_decoder import InvalidValue, message_decoder
from server.gateway.json_text import parse_object
from server.gateway.routes import contract_services
from tests.random_messages import messages

MESSAGES = sorted(
    {
        message.full_name: message
        for service in contract_services()
        for rpc in service.methods
        for message in (rpc.input_type, rpc.output_type)
    }.values(),
    key=lambda message: message.full_name,
)


def decode(descriptor: Descriptor, value: Any) -> Message:
    return message_decoder(descriptor, {})(value)


def encode(message: Message) -> dict[str, Any]:
    descriptor: Any = message.DESCRIPTOR
    return MessageEncoders(enum_names).of(descriptor)(message)


@pytest.mark.parametrize("descriptor", MESSAGES, ids=lambda descriptor: descriptor.name)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_every_message_of_the_contract_survives_json(descriptor: Descriptor, data: st.DataObject) -> None:
    message = data.draw(messages(descriptor))
    text = json.dumps(encode(message)).encode()
    assert decode(descriptor, parse_object(text)) == message


@settings(max_examples=100, deadline=None)
@given(message=messages(payment_intent_pb2.PaymentIntent.DESCRIPTOR))
def test_json_differs_from_the_protobuf_librarys_only_as_the_contract_says(message: Message) -> None:
    theirs = MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    assert as_the_contract_says(theirs, payment_intent_pb2.PaymentIntent.DESCRIPTOR) == encode(message)


def as_the_contract_says(value: dict[str, Any], descriptor: Descriptor) -> dict[str, Any]:
    converted: dict[str, Any] = {}
    for name, item in value.items():
        field = descriptor.fields_by_name[name]
        if field.enum_type is not None:
            prefix = field.enum_type.values_by_number[0].name.removesuffix("UNSPECIFIED")
            if item != f"{prefix}UNSPECIFIED":
                converted[name] = item.removeprefix(prefix).lower()
        elif field.cpp_type == FieldDescriptor.CPPTYPE_INT64:
            converted[name] = int(item)
        elif isinstance(item, dict) and not field.is_repeated and field.message_type is not None:
            converted[name] = as_the_contract_says(item, field.message_type)
        else:
            converted[name] = item
    return converted


def test_an_empty_intent_prints_scalars_without_presence_only() -> None:
    assert encode(payment_intent_pb2.PaymentIntent(id="pi_1")) == {
        "id": "pi_1",
        "merchant_id": "",
        "amount": 0,
        "currency": "",
        "payment_method": "",
        "description": "",
        "metadata": {},
        "authorized_amount": 0,
        "captured_amount": 0,
        "refunded_amount": 0,
        "refund_pending_amount": 0,
        "psp": "",
        "psp_account_id": "",
        "psp_payment_id": "",
        "version": 0,
        "payment_method_type": "",
        "country": "",
    }


def test_values_have_the_contracts_forms() -> None:
    intent = payment_intent_pb2.PaymentIntent(
        amount=2**63 - 1, status=payment_intent_pb2.PAYMENT_INTENT_STATUS_REQUIRES_ACTION
    )
    intent.created_at.FromJsonString("2025-01-31T13:00:00.5+01:00")
    json_value = encode(intent)
    assert json_value["amount"] == 2**63 - 1
    assert json_value["status"] == "requires_action"
    assert json_value["created_at"] == "2025-01-31T12:00:00.500Z"
    created = events_pb2.PaymentIntentCreated.DESCRIPTOR
    hashed = next(field.name for field in created.fields if field.type == FieldDescriptor.TYPE_BYTES)
    assert encode(events_pb2.PaymentIntentCreated(**{hashed: b"\xff\x00"}))[hashed] == "/wA="  # type: ignore[arg-type]  # the name is only known at run time


def test_an_enum_number_from_a_newer_server_stays_a_number() -> None:
    unknown = payment_intent_pb2.PaymentIntent.FromString(b"\x28\x63")
    assert encode(unknown)["status"] == 99


def test_presence_of_optional_fields_is_kept() -> None:
    capture = payment_intent_pb2.CapturePaymentIntentRequest.DESCRIPTOR
    assert not decode(capture, {}).HasField("amount")
    assert not decode(capture, {"amount": None}).HasField("amount")
    zero = decode(capture, {"amount": 0})
    assert zero.HasField("amount")
    assert encode(zero)["amount"] == 0
    assert "amount" not in encode(decode(capture, {}))


@pytest.mark.parametrize("amount", [10000, "10000"])
def test_integers_may_be_numbers_or_strings(amount: object) -> None:
    request = decode(payment_intent_pb2.CreatePaymentIntentRequest.DESCRIPTOR, {"amount": amount})
    assert request == payment_intent_pb2.CreatePaymentIntentRequest(amount=10000)


@pytest.mark.parametrize("status", ["created", "PAYMENT_INTENT_STATUS_CREATED"])
def test_enums_may_be_short_or_canonical(status: str) -> None:
    request = decode(payment_intent_pb2.ListPaymentIntentsRequest.DESCRIPTOR, {"status": status})
    assert request == payment_intent_pb2.ListPaymentIntentsRequest(
        status=payment_intent_pb2.PAYMENT_INTENT_STATUS_CREATED
    )


CREATE = payment_intent_pb2.CreatePaymentIntentRequest.DESCRIPTOR
POST = ledger_pb2.PostTransactionRequest.DESCRIPTOR
BULK = ledger_pb2.PostTransactionsRequest.DESCRIPTOR


@pytest.mark.parametrize(
    ("descriptor", "value", "path"),
    [
        (CREATE, {"nonsense": 1}, "nonsense"),
        (CREATE, {"merchantId": "m"}, "merchantId"),
        (CREATE, {"amount": 1.0}, "amount"),
        (CREATE, {"amount": math.inf}, "amount"),
        (CREATE, {"amount": True}, "amount"),
        (CREATE, {"amount": 2**63}, "amount"),
        (CREATE, {"amount": -(2**63) - 1}, "amount"),
        (CREATE, {"amount": "1e3"}, "amount"),
        (CREATE, {"amount": " 1"}, "amount"),
        (CREATE, {"amount": "٣"}, "amount"),
        (CREATE, {"amount": "9" * 5000}, "amount"),
        (CREATE, {"amount": []}, "amount"),
        (CREATE, {"currency": 978}, "currency"),
        (CREATE, {"currency": "\ud800"}, "currency"),
        (CREATE, {"capture_method": "sometimes"}, "capture_method"),
        (CREATE, {"capture_method": 1}, "capture_method"),
        (CREATE, {"capture_method": "unspecified"}, "capture_method"),
        (CREATE, {"metadata": {"a": 1}}, 'metadata["a"]'),
        (CREATE, {"metadata": {"a": None}}, 'metadata["a"]'),
        (CREATE, {"metadata": []}, "metadata"),
        (POST, {"pending": "true"}, "pending"),
        (POST, {"pending": 1}, "pending"),
        (POST, {"entries": {}}, "entries"),
        (POST, {"entries": [None]}, "entries[0]"),
        (POST, {"entries": [{}, {"amount": None}, {"amount": "x"}]}, "entries[2].amount"),
        (POST, {"effective_at": "2025-01-31"}, "effective_at"),
        (POST, {"effective_at": "2025-02-30T00:00:00Z"}, "effective_at"),
        (POST, {"effective_at": "2025-01-31T00:00:00"}, "effective_at"),
        (POST, {"effective_at": 0}, "effective_at"),
        (BULK, {"transactions": [{"entries": [{"layer": "x"}]}]}, "transactions[0].entries[0].layer"),
        (
            ledger_pb2.PostTransactionResult.DESCRIPTOR,
            {"transaction": {}, "error": {}},
            "transaction",
        ),
        (CREATE, [], ""),
    ],
)
def test_what_a_field_cannot_hold_is_refused_by_its_path(
    descriptor: Descriptor, value: Any, path: str
) -> None:
    with pytest.raises(InvalidValue) as refused:
        decode(descriptor, value)
    assert refused.value.path == path


@pytest.mark.parametrize(
    ("text", "field"),
    [
        (b"", "body"),
        (b"{", "body"),
        (b"[]", "body"),
        (b"null", "body"),
        (b'{"a":1} x', "body"),
        (b"{'a':1}", "body"),
        (b'{"a":NaN}', "body"),
        (b'{"a":-Infinity}', "body"),
        (b'{"a":"\xff"}', "body"),
        (b"\xef\xbb\xbf{}", "body"),
        ('{"a":1}'.encode("utf-16"), "body"),
        (b'{"a":' + b"9" * 5000 + b"}", "body"),
        (b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "body"),
        (b'{"amount":1,"amount":2}', "amount"),
        (b'{"metadata":{"k":"1","k":"2"}}', "k"),
    ],
    ids=lambda value: str(value[:24]),
)
def test_text_that_is_not_one_strict_json_object_is_refused(text: bytes, field: str) -> None:
    with pytest.raises(PayFlowError) as refused:
        parse_object(text)
    assert refused.value.reason is Reason.VALIDATION_FAILED
    assert [violation.field for violation in refused.value.fields] == [field]


def test_a_message_that_contains_itself_has_a_codec() -> None:
    file = FileDescriptorProto(name="tree.proto", package="test", syntax="proto3")
    tree = file.message_type.add(name="Tree")
    tree.field.add(
        name="children",
        number=1,
        type=FieldDescriptorProto.TYPE_MESSAGE,
        type_name=".test.Tree",
        label=FieldDescriptorProto.LABEL_REPEATED,
    )
    pool = DescriptorPool()
    pool.Add(file)
    value = {"children": [{"children": []}, {"children": [{"children": []}]}]}
    assert encode(decode(pool.FindMessageTypeByName("test.Tree"), value)) == value


def test_refund_request_of_the_contract() -> None:
    text = b'{"amount":5000,"reason":"customer_request"}'
    assert decode(refund_pb2.CreateRefundRequest.DESCRIPTOR, parse_object(text)) == (
        refund_pb2.CreateRefundRequest(amount=5000, reason="customer_request")
    )
