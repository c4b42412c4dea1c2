"""The route table, read from the google.api.http annotations of the generated modules."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from google.api import annotations_pb2, http_pb2
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor

import payflow.v1

VARIABLE = re.compile(r"\{([^{}]*)\}")
_FIELD_NAME = re.compile(r"[a-z][a-z0-9_]*")
# The stub gives extensions a type that the options of a method do not take.
_HTTP_RULE: Any = annotations_pb2.http
_HTTP_METHODS = ("get", "put", "post", "delete", "patch")


@dataclass(frozen=True, slots=True)
class Route:
    """One HTTP method and path template, and the RPC that serves it.

    ``body`` is ``*`` when the request's body is the whole message, the name of the field that it
    fills, or empty when there is none and the fields come from the query.
    """

    http_method: str
    template: str
    body: str
    rpc: MethodDescriptor
    success_status: int = 200
    variables: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "variables", tuple(VARIABLE.findall(self.template)))


def contract_services() -> list[ServiceDescriptor]:
    """Every service of the generated modules in payflow.v1."""
    modules = [
        importlib.import_module(f"payflow.v1.{module.name}")
        for module in pkgutil.iter_modules(payflow.v1.__path__)
        if module.name.endswith("_pb2")
    ]
    return [service for module in modules for service in module.DESCRIPTOR.services_by_name.values()]


def routes_of(services: Iterable[ServiceDescriptor]) -> list[Route]:
    """The routes that the services' annotations ask for.

    A POST on a collection, one whose members a GET reads at ``<path>/{…}``, answers 201; everything
    else answers 200. Raises ValueError for an annotation that this gateway does not know how to serve.
    """
    bound = [
        (rpc, rule)
        for service in services
        for rpc in service.methods
        if rpc.GetOptions().HasExtension(_HTTP_RULE)
        for rule in _rules(rpc.GetOptions().Extensions[_HTTP_RULE])
    ]
    shapes = {(rule.WhichOneof("pattern"), _shape(_template(rule))) for _, rule in bound}
    if len(shapes) < len(bound):
        raise ValueError("two google.api.http annotations share an HTTP method and path")
    routes = []
    for rpc, rule in bound:
        creates = rule.WhichOneof("pattern") == "post" and ("get", _shape(rule.post) + "/{}") in shapes
        routes.append(_route(rpc, rule, 201 if creates else 200))
    return routes


def _rules(rule: http_pb2.HttpRule) -> Iterator[http_pb2.HttpRule]:
    yield rule
    yield from rule.additional_bindings


def _template(rule: http_pb2.HttpRule) -> str:
    return str(getattr(rule, rule.WhichOneof("pattern") or "", ""))


def _shape(template: str) -> str:
    return VARIABLE.sub("{}", template)


def _route(rpc: MethodDescriptor, rule: http_pb2.HttpRule, success_status: int) -> Route:
    http_method = rule.WhichOneof("pattern")
    route = Route((http_method or "").upper(), _template(rule), rule.body, rpc, success_status)
    fields = rpc.input_type.fields_by_name
    body_is_known = rule.body in ("", "*") or rule.body in fields
    if (
        http_method not in _HTTP_METHODS
        or rule.response_body
        or rpc.client_streaming
        or rpc.server_streaming
        or not body_is_known
        or not all(_FIELD_NAME.fullmatch(name) and name in fields for name in route.variables)
    ):
        raise ValueError(f"{rpc.full_name}: this google.api.http annotation is not supported: {rule}")
    return route


class RouteTable:
    """Finds the route of a request."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._fixed: dict[tuple[str, str], Route] = {}
        self._variable: dict[tuple[str, int], list[tuple[re.Pattern[str], Route]]] = defaultdict(list)
        # The template with the most fixed text wins, so that `{id}:verb` is tried before `{id}`.
        for route in sorted(routes, key=lambda route: -len(_shape(route.template))):
            if not route.variables:
                self._fixed[route.http_method, route.template] = route
            else:
                candidates = self._variable[route.http_method, route.template.count("/")]
                candidates.append((_pattern(route.template), route))

    def find(self, http_method: str, raw_path: str) -> tuple[Route, dict[str, str]] | None:
        """The route and its variables' texts, still percent-encoded; None when there is no route."""
        fixed = self._fixed.get((http_method, raw_path))
        if fixed is not None:
            return fixed, {}
        for pattern, route in self._variable.get((http_method, raw_path.count("/")), ()):
            found = pattern.fullmatch(raw_path)
            if found:
                return route, found.groupdict()
        return None


def _pattern(template: str) -> re.Pattern[str]:
    pieces = VARIABLE.split(template)
    fixed, names = pieces[::2], pieces[1::2]
    return re.compile(
        re.escape(fixed[0])
        + "".join(f"(?P<{name}>[^/]+){re.escape(text)}" for name, text in zip(names, fixed[1:], strict=True))
    )
