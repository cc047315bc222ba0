"""pydantic's errors as sentences with a file and a line."""

from __future__ import annotations

from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from bot.catalogue.yaml.document import Document, Place
from bot.domain.catalogue.catalogue import Finding
from bot.domain.text.wording import hint

S = TypeVar("S", bound=BaseModel)

_NEEDED = {
    "string_type": "text; put it in quotes",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "list_type": "a list, like [a, b]",
    "dict_type": "a mapping of keys to values",
    "model_type": "a mapping of keys to values",
    "model_attributes_type": "a mapping of keys to values",
}


def validated(document: Document, shape: type[S], findings: list[Finding]) -> S | None:
    """None where it does not fit: each error is added to `findings`, at its line."""
    try:
        return shape.model_validate(document.data)
    except ValidationError as problem:
        errors = problem.errors(include_url=False)
        findings.extend(document.finding(one["loc"], _sentence(shape, one["loc"], dict(one))) for one in errors)
        return None


def _sentence(shape: type[BaseModel], place: Place, error: dict[str, Any]) -> str:
    kind, name = error["type"], spoken(place)
    if kind == "extra_forbidden":
        return f"There is no key “{place[-1]}” here. {hint(str(place[-1]), _known_keys(shape, place[:-1]))}"
    if kind == "missing":
        return f"“{place[-1]}” is missing. Add it."
    if kind == "value_error":
        return str(error["ctx"]["error"])
    if error["input"] is None and kind in _NEEDED:
        return f"{name} has no value. Give it one or remove the line; a # starts a comment unless it is quoted."
    if kind in _NEEDED:
        return f"{name} must be {_NEEDED[kind]}."
    if kind == "too_short":
        return f"{name} is empty. Add at least one."
    if kind in ("literal_error", "enum"):
        return f"“{error['input']}” is not known here. Write {error['ctx']['expected'].replace(chr(39), '')}."
    return f"{name}: {error['msg']}."


def spoken(place: Place) -> str:
    text = ""
    for part in place:
        text += f"[{part + 1}]" if isinstance(part, int) else f"{'.' if text else ''}{part}"
    return text or "This file"


def _known_keys(shape: type[BaseModel], place: Place) -> list[str]:
    for part in place:
        field = _fields(shape).get(part) if isinstance(part, str) else None
        shape = (_model_in(field.annotation) if field else None) or shape
    return list(_fields(shape))


def _fields(shape: type[BaseModel]) -> dict[str, FieldInfo]:
    return {field.alias or name: field for name, field in shape.model_fields.items()}


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_model_in, get_args(annotation))), None)
