"""An HTTP request's path variables, query and body as the RPC's request message."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, unquote_to_bytes

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from payflow.domain.errors import invalid_field
from server.gateway.json_decoder import InvalidValue, MessageDecoder, map_entry
from server.gateway.json_text import parse_object
from server.gateway.routes import Route

_QUERY_FIELDS_MAX = 100


def request_message(
    route: Route, decode: MessageDecoder, variables: dict[str, str], query: bytes, body: bytes
) -> Message:
    """The message, put together from the parts that the route's annotation names.

    ``variables`` are still percent-encoded. Raises VALIDATION_FAILED, naming the field.
    """
    fields = _from_body(route, body) if route.body == "*" else _from_query(route, query)
    if route.body == "*" and query:
        raise invalid_field("query", "has no parameters here; the fields belong in the body")
    if route.body not in ("", "*"):
        _add(fields, route.body, parse_object(body) if body else {})
    if not route.body and body:
        raise invalid_field("body", f"must be empty for {route.http_method}")
    for name, encoded in variables.items():
        _add(fields, name, _typed(route.rpc.input_type, name, path_text(name, encoded)))
    try:
        return decode(fields)
    except InvalidValue as error:
        raise invalid_field(error.path, error.expected) from None


def _from_body(route: Route, body: bytes) -> dict[str, Any]:
    return parse_object(body) if body else {}


def _from_query(route: Route, query: bytes) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for parameter, text in query_parameters(query):
        # A map's entries are parameters of their own: metadata[order]=7.
        name, _, key = parameter.partition("[")
        field = route.rpc.input_type.fields_by_name.get(name)
        if field is None or name == route.body or bool(map_entry(field)) != key.endswith("]"):
            raise invalid_field(parameter, "is not a parameter of this call")
        if map_entry(field):
            _put(fields.setdefault(name, {}), key.removesuffix("]"), text, parameter)
        elif field.is_repeated:
            fields.setdefault(name, []).append(_typed(route.rpc.input_type, name, text))
        else:
            _put(fields, name, _typed(route.rpc.input_type, name, text), parameter)
    return fields


def _put(fields: dict[str, Any], name: str, value: Any, parameter: str) -> None:
    if name in fields:
        raise invalid_field(parameter, "is given more than once")
    fields[name] = value


def query_parameters(query: bytes) -> list[tuple[str, str]]:
    """Names and values in order, decoded."""
    try:
        return parse_qsl(
            query.decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=_QUERY_FIELDS_MAX,
        )
    except ValueError:
        raise invalid_field("query", f"must be UTF-8, with at most {_QUERY_FIELDS_MAX} parameters") from None


def path_text(name: str, encoded: str) -> str:
    """A path variable, decoded."""
    try:
        text = unquote_to_bytes(encoded).decode("utf-8")
    except UnicodeDecodeError:
        raise invalid_field(name, "must be UTF-8") from None
    if not text.isprintable():
        raise invalid_field(name, "must be printable")
    return text


def _typed(message: Descriptor, name: str, text: str) -> Any:
    """The text as the JSON value that its field's decoder reads; only booleans differ from strings."""
    if message.fields_by_name[name].cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return {"true": True, "false": False}.get(text, text)
    return text


def _add(fields: dict[str, Any], name: str, value: Any) -> None:
    """Adds a field that may have been given already, but then with the same value."""
    given = fields.get(name)
    if given is not None and given != value and str(given) != value:
        raise invalid_field(name, "must be the same as in the path")
    fields[name] = value
