"""The OpenAPI 3.1 document of the routes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from google.protobuf.descriptor import FieldDescriptor

from payflow.domain.fields import IDEMPOTENCY_KEY_MAX
from payflow.v1 import webhook_pb2
from server.gateway.errors import HTTP_STATUS, REQUEST_TOO_LARGE_STATUS
from server.gateway.json_decoder import map_entry
from server.gateway.openapi_schemas import Schema, Schemas, reachable
from server.gateway.proto_comments import contract_comments
from server.gateway.routes import Route
from server.rpc.call import CORRELATION_ID, IDEMPOTENT_REPLAYED

# Standard methods that change nothing, whichever HTTP method they take.
_READS = ("Get", "List", "BatchGet", "Validate", "Explain")

_ERRORS = {
    str(status): {"$ref": "#/components/responses/Error"}
    for status in sorted({*HTTP_STATUS.values(), REQUEST_TOO_LARGE_STATUS})
}

_ERROR: Schema = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "status", "reason", "message", "details"],
            "properties": {
                "code": {"type": "integer", "description": "The HTTP status."},
                "status": {"type": "string", "description": "The google.rpc.Code, such as `ABORTED`."},
                "reason": {
                    "type": "string",
                    "description": "The stable reason, such as `IDEMPOTENCY_KEY_IN_USE`.",
                },
                "message": {"type": "string", "description": "One sentence for a person."},
                "details": {
                    "type": "array",
                    "description": "google.rpc error details.",
                    "items": {"type": "object", "required": ["@type"]},
                },
            },
        }
    },
}

_IDEMPOTENCY_KEY: Schema = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": True,
    "description": "Makes a repeat safe: the same key and request get the stored response.",
    "schema": {"type": "string", "minLength": 1, "maxLength": IDEMPOTENCY_KEY_MAX},
}
_CORRELATION_ID: Schema = {
    "name": "X-Correlation-Id",
    "in": "header",
    "description": "Ends up in logs and events; made up when not given.",
    "schema": {"type": "string"},
}
_RESPONSE_HEADERS: Schema = {
    CORRELATION_ID: {"description": "The call's correlation id.", "schema": {"type": "string"}},
    IDEMPOTENT_REPLAYED: {
        "description": "`true` when the response is a stored one.",
        "schema": {"type": "string", "const": "true"},
    },
}


def openapi_document(routes: Sequence[Route]) -> dict[str, Any]:
    """The document, with the contract's comments as descriptions."""
    comments = contract_comments()
    schemas = Schemas(comments, reachable(route.rpc.input_type for route in routes))
    schemas.components["Error"] = _ERROR
    paths: defaultdict[str, dict[str, Any]] = defaultdict(dict)
    bindings: defaultdict[str, int] = defaultdict(int)
    for route in routes:
        bindings[route.rpc.full_name] += 1
        operation = _operation(route, bindings[route.rpc.full_name], schemas, comments)
        paths[route.template][route.http_method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {"title": "PayFlow", "version": "v1", "description": "Payments and their ledger."},
        "tags": _tags(routes, comments),
        "paths": {**paths, **_own_paths(comments)},
        "components": {
            "schemas": schemas.components,
            "parameters": {"IdempotencyKey": _IDEMPOTENCY_KEY, "CorrelationId": _CORRELATION_ID},
            "responses": {
                "Error": {"description": "The call was refused or failed.", "content": _json(_ref("Error"))}
            },
        },
    }


def _operation(route: Route, binding: int, schemas: Schemas, comments: Mapping[str, str]) -> dict[str, Any]:
    comment = comments.get(route.rpc.full_name, route.rpc.name)
    success = {
        "description": "The call succeeded.",
        "headers": _RESPONSE_HEADERS,
        "content": _json(schemas.reference(route.rpc.output_type)),
    }
    operation: dict[str, Any] = {
        "operationId": route.rpc.name if binding == 1 else f"{route.rpc.name}{binding}",
        "tags": [route.rpc.containing_service.name],
        "summary": comment.partition(". ")[0].rstrip("."),
        "description": comment,
        "parameters": _parameters(route, schemas),
        "responses": {str(route.success_status): success, **_ERRORS},
    }
    if route.body:
        operation["requestBody"] = {"content": _json(_body(route, schemas))}
    return operation


def _parameters(route: Route, schemas: Schemas) -> list[Schema]:
    fields = route.rpc.input_type.fields
    parameters = [
        _parameter(field.name, "path", schemas.field(field))
        for field in fields
        if field.name in route.variables
    ]
    if route.body != "*":
        parameters += [
            _parameter(field.name, "query", schemas.field(field)) | _map_style(field)
            for field in fields
            if field.name not in (*route.variables, route.body)
        ]
    if not route.rpc.name.startswith(_READS):
        parameters.append({"$ref": "#/components/parameters/IdempotencyKey"})
    return [*parameters, {"$ref": "#/components/parameters/CorrelationId"}]


def _parameter(name: str, place: str, schema: Schema) -> Schema:
    description = schema.pop("description", "")
    return {
        "name": name,
        "in": place,
        "required": place == "path",
        "description": description,
        "schema": schema,
    }


def _map_style(field: FieldDescriptor) -> Schema:
    """A map's entries are parameters of their own: ``metadata[order]=7``."""
    return {"style": "deepObject", "explode": True} if map_entry(field) else {}


def _body(route: Route, schemas: Schemas) -> Schema:
    if route.body != "*":
        return schemas.field(route.rpc.input_type.fields_by_name[route.body])
    if route.variables:
        return schemas.message(route.rpc.input_type, without=route.variables)
    return schemas.reference(route.rpc.input_type)


def _tags(routes: Iterable[Route], comments: Mapping[str, str]) -> list[dict[str, str]]:
    services = {route.rpc.containing_service.name: route.rpc.containing_service for route in routes}
    return [
        {"name": name, "description": comments.get(service.full_name, name)}
        for name, service in services.items()
    ]


def _own_paths(comments: Mapping[str, str]) -> dict[str, Any]:
    status = {"type": "object", "required": ["status"], "properties": {"status": {"type": "string"}}}
    alive = {"200": {"description": "The gateway is alive.", "content": _json(status)}}
    ready = {
        "200": {"description": "Payments can be taken.", "content": _json(status)},
        "503": {"$ref": "#/components/responses/Error"},
    }
    document = {"200": {"description": "This document.", "content": _json({"type": "object"})}}
    return {
        "/health": {"get": {"operationId": "Health", "responses": alive}},
        "/ready": {"get": {"operationId": "Ready", "responses": ready}},
        "/openapi.json": {"get": {"operationId": "OpenApi", "responses": document}},
        "/webhooks/{psp_account_id}": {"post": _webhook(comments)},
    }


def _webhook(comments: Mapping[str, str]) -> dict[str, Any]:
    """The one call whose body is taken as it is, whatever it is."""
    request = webhook_pb2.ReceiveWebhookRequest.DESCRIPTOR
    text = {"schema": {"type": "string"}}
    described = {field.name: comments[field.full_name] for field in request.fields}
    return {
        "operationId": "ReceiveWebhook",
        "tags": ["WebhookService"],
        "description": comments["payflow.v1.WebhookService.ReceiveWebhook"],
        "parameters": [
            _parameter(name, place, {"type": "string", "description": described[name]})
            for name, place in (("psp_account_id", "path"), ("merchant_id", "query"))
        ],
        "requestBody": {"required": True, "description": described["body"], "content": {"*/*": {}}},
        "responses": {
            "200": {
                "description": "Its events are kept; the body is the one that the PSP wants to see.",
                "content": {"text/plain": text, **_json({"type": "object"})},
            },
            **_ERRORS,
        },
    }


def _json(schema: Schema) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}
