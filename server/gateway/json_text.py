"""Strict reading of JSON text."""

from __future__ import annotations

import json
from typing import Any

from payflow.domain.errors import invalid_field


def parse_object(text: bytes) -> dict[str, Any]:
    """The JSON object that ``text`` holds; integers stay exact, other numbers become floats.

    Raises VALIDATION_FAILED for anything but one UTF-8 JSON object without duplicate keys.
    """
    try:
        value = _decoder.decode(text.decode("utf-8"))
    except UnicodeDecodeError:
        raise invalid_field("body", "must be UTF-8") from None
    except json.JSONDecodeError as error:
        raise invalid_field("body", f"is not JSON: line {error.lineno}, column {error.colno}") from None
    except RecursionError:
        raise invalid_field("body", "is nested too deeply") from None
    except ValueError:
        # What json has no position for: NaN, Infinity, a number of thousands of digits.
        raise invalid_field("body", "holds a number that JSON or this service does not allow") from None
    if not isinstance(value, dict):
        raise invalid_field("body", "must be a JSON object")
    return value


def _object_without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        keys = [key for key, _ in pairs]
        raise invalid_field(next(key for key in found if keys.count(key) > 1), "is given more than once")
    return found


def _refuse_constant(name: str) -> Any:
    raise ValueError(name)


_decoder = json.JSONDecoder(object_pairs_hook=_object_without_duplicates, parse_constant=_refuse_constant)
