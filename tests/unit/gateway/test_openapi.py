from __future__ import annotations

import json
from typing import Any

from openapi_spec_validator import validate

from payflow.v1 import payment_intent_pb2
from payflow.wire.json_encoder import MessageEncoders
from server.gateway.enum_names import enum_names
from server.gateway.openapi import openapi_document
from server.gateway.proto_comments import contract_comments
from server.gateway.routes import contract_services, routes_of

ROUTES = routes_of(contract_services())
POSTED_READS = {"BatchGetBalances", "ValidateRoutingRules", "ExplainRouting"}
DOCUMENT: Any = json.loads(json.dumps(openapi_document(ROUTES)))


def test_the_document_is_valid_openapi() -> None:
    validate(DOCUMENT)
    assert DOCUMENT["openapi"] == "3.1.0"


def test_every_route_is_documented_with_its_status_and_comment() -> None:
    for route in ROUTES:
        operation = DOCUMENT["paths"][route.template][route.http_method.lower()]
        assert str(route.success_status) in operation["responses"]
        assert operation["description"] != route.rpc.name
        keyed = {"$ref": "#/components/parameters/IdempotencyKey"} in operation["parameters"]
        assert keyed == (route.http_method != "GET" and route.rpc.name not in POSTED_READS)
    own = {"/health", "/ready", "/openapi.json", "/webhooks/{psp_account_id}"}
    assert own <= DOCUMENT["paths"].keys()


def test_operation_ids_are_unique() -> None:
    ids = [operation["operationId"] for path in DOCUMENT["paths"].values() for operation in path.values()]
    assert len(ids) == len(set(ids)) == len(ROUTES) + 4


def test_every_message_field_and_value_of_the_contract_has_a_comment() -> None:
    comments = contract_comments()
    intent = payment_intent_pb2.PaymentIntent.DESCRIPTOR
    assert all(comments[field.full_name] for field in intent.fields)
    properties = DOCUMENT["components"]["schemas"]["PaymentIntent"]["properties"]
    assert properties["amount"] == {
        "type": "integer",
        "format": "int64",
        "description": comments["payflow.v1.PaymentIntent.amount"],
    }
    assert (
        "`requires_action`: The payer has to act"
        in (DOCUMENT["components"]["schemas"]["PaymentIntentStatus"]["description"])
    )


def test_a_maps_entries_are_query_parameters_of_their_own() -> None:
    parameters = DOCUMENT["paths"]["/v1/ledger/accounts"]["get"]["parameters"]
    styles = {one["name"]: (one.get("style"), one.get("explode")) for one in parameters if "name" in one}
    assert styles.pop("metadata") == ("deepObject", True)
    assert set(styles.values()) == {(None, None)}
    [metadata] = [one for one in parameters if one.get("name") == "metadata"]
    assert metadata["schema"] == {"type": "object", "additionalProperties": {"type": "string"}}


def test_schemas_say_what_the_codec_does() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    intent = payment_intent_pb2.PaymentIntent()
    encode = MessageEncoders(enum_names).of(intent.DESCRIPTOR)
    assert set(schemas["PaymentIntent"]["required"]) == set(encode(intent))
    assert schemas["CreatePaymentIntentRequest"]["additionalProperties"] is False
    assert "required" not in schemas["CreatePaymentIntentRequest"]
    capture = DOCUMENT["paths"]["/v1/payment_intents/{id}/capture"]["post"]
    body = capture["requestBody"]["content"]["application/json"]["schema"]
    assert set(body["properties"]) == {"amount", "merchant_id"}
    assert [parameter["name"] for parameter in capture["parameters"] if "name" in parameter] == ["id"]
