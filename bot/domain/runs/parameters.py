"""A runbook's parameters: what people and programs give, held to the rule of each type."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from bot.domain.catalogue.runbook import Parameter, ParameterType, Runbook
from bot.domain.errors import Unclear
from bot.domain.text import duration, regex
from bot.domain.text.wording import hint, listing, nearest

_WHOLE = re.compile(r"[+-]?[0-9]{1,15}", re.ASCII)
_NUMBER = re.compile(r"[+-]?([0-9]{1,15}(\.[0-9]{0,15})?|\.[0-9]{1,15})([eE][+-]?[0-9]{1,2})?", re.ASCII)
_LARGEST = 10**15
_SHOWN = 60
_BOOLEANS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


@dataclass(frozen=True)
class Reference:
    """Where a secret is to be found: `env:NAME` or `file:/path`. The secret itself is read by the step alone."""

    source: str

    def __str__(self) -> str:
        return self.source


def read(runbook: Runbook, given: Mapping[str, Any]) -> dict[str, Any]:
    """In the file's order, from text or JSON values.

    Text, whole and other numbers, booleans as such; a duration as its shortest text (`1h30m`); a secret as a Reference;
    None where nothing was given and there is no default. Raises Unclear with the first problem.
    """
    found = problems(runbook, given)
    if found:
        raise Unclear(next(iter(found.values())))
    return {one.name: _value(one, given.get(one.name)) for one in runbook.parameters}


def problems(runbook: Runbook, given: Mapping[str, Any]) -> dict[str, str]:
    known = [one.name for one in runbook.parameters]
    found = {name: _unknown(name, known) for name in given if name not in known}
    for one in runbook.parameters:
        try:
            _value(one, given.get(one.name))
        except Unclear as problem:
            found[one.name] = problem.sentence
    return found


def pairs(words: Iterable[str]) -> dict[str, str]:
    """Raises Unclear."""
    given: dict[str, str] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise Unclear(f"“{_shown(word)}” is not a parameter. Write name=value.")
        if name in given:
            raise Unclear(f"“{_shown(name)}” is given twice. Keep one of them.")
        given[name] = value
    return given


def check(parameter: Parameter, value: Any) -> Any:
    """Raises Unclear with the rule."""
    try:
        return _READERS[parameter.type](parameter, value)
    except ValueError:
        said = f"“{parameter.name}” must be {spoken(parameter)}; it is “{_shown(value)}”."
        raise Unclear(said + _closest(parameter, value)) from None


def spoken(parameter: Parameter) -> str:
    return _RULES[parameter.type](parameter)


def _value(parameter: Parameter, given: Any) -> Any:
    if parameter.type is ParameterType.SECRET:
        return _secret(parameter, given)
    if _is_blank(parameter, given):
        if parameter.required and parameter.default is None:
            raise Unclear(f"“{parameter.name}” is missing. It must be {spoken(parameter)}.")
        return parameter.default
    return check(parameter, given)


def _is_blank(parameter: Parameter, given: Any) -> bool:
    if given is None:
        return True
    if not isinstance(given, str) or given.strip():
        return False
    return parameter.required or parameter.type is not ParameterType.STRING or bool(parameter.enum)


def _secret(parameter: Parameter, given: Any) -> Reference:
    if given is not None:
        # The value is never repeated: it may be the secret.
        raise Unclear(f"“{parameter.name}” is a secret from {parameter.source}: it is never typed. Leave it out.")
    return Reference(str(parameter.source))


def _unknown(name: str, known: list[str]) -> str:
    if not known:
        return f"This runbook has no parameters. Leave out “{_shown(name)}”."
    return f"This runbook has no parameter “{_shown(name)}”. {hint(name, known)}"


def _closest(parameter: Parameter, value: Any) -> str:
    close = nearest(value, parameter.enum) if isinstance(value, str) else None
    return f" Did you mean “{close}”?" if close else ""


def _shown(value: Any) -> str:
    if isinstance(value, int) and abs(value) >= 10**_SHOWN:  # Python refuses to print the very long ones
        return f"a number of more than {_SHOWN} digits"
    text = str(value)[: _SHOWN + 1]
    clean = "".join(character if character.isprintable() else "�" for character in text)
    return f"{clean[:_SHOWN]}…" if len(clean) > _SHOWN else clean


# --- one reader for each type: the value, or ValueError where the rule is broken -------------------------------------


def _string(parameter: Parameter, value: Any) -> str:
    if not isinstance(value, str) or len(value) > parameter.max_length or not _is_one_line(value):
        raise ValueError
    if parameter.enum and value not in parameter.enum:
        raise ValueError
    if parameter.pattern is not None and not regex.matcher(parameter.pattern)(value):
        raise ValueError
    return value


def _is_one_line(value: str) -> bool:
    """Control characters and half characters reach no program, no query and no message."""
    return all(unicodedata.category(character) not in ("Cc", "Cs", "Zl", "Zp") for character in value)


def _integer(parameter: Parameter, value: Any) -> int:
    if isinstance(value, str) and _WHOLE.fullmatch(value.strip()):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > _LARGEST:
        raise ValueError
    _within(parameter, value)
    return value


def _number(parameter: Parameter, value: Any) -> float:
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError
    if not abs(value) <= _LARGEST:  # NaN is not either
        raise ValueError
    _within(parameter, value)
    return float(value)


def _within(parameter: Parameter, value: float) -> None:
    if parameter.min is not None and value < parameter.min:
        raise ValueError
    if parameter.max is not None and value > parameter.max:
        raise ValueError


def _boolean(_parameter: Parameter, value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if not isinstance(value, str) or value.strip().casefold() not in _BOOLEANS:
        raise ValueError
    return _BOOLEANS[value.strip().casefold()]


def _duration(_parameter: Parameter, value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError
    try:
        return duration.short(duration.parse(value))
    except Unclear:
        raise ValueError from None


def _never(_parameter: Parameter, _value: Any) -> Any:
    raise ValueError


_READERS: Mapping[ParameterType, Callable[[Parameter, Any], Any]] = {
    ParameterType.STRING: _string,
    ParameterType.INTEGER: _integer,
    ParameterType.NUMBER: _number,
    ParameterType.BOOLEAN: _boolean,
    ParameterType.DURATION: _duration,
    ParameterType.CHOICE: _string,
    ParameterType.SECRET: _never,
}


# --- the same rules in words -----------------------------------------------------------------------------------------


def _string_rule(parameter: Parameter) -> str:
    if parameter.enum:
        return listing(parameter.enum, "or")
    rule = f"one line of at most {parameter.max_length} characters"
    return f"{rule} that matches {parameter.pattern}" if parameter.pattern is not None else rule


def _range_rule(noun: str) -> Callable[[Parameter], str]:
    def rule(parameter: Parameter) -> str:
        low, high = _plain(parameter.min), _plain(parameter.max)
        if low and high:
            return f"{noun} from {low} to {high}"
        if low or high:
            return f"{noun}, at least {low}" if low else f"{noun}, at most {high}"
        return noun

    return rule


def _plain(bound: float | None) -> str:
    if bound is None:
        return ""
    return str(int(bound)) if math.isfinite(bound) and bound == int(bound) else str(bound)


def _choice_rule(parameter: Parameter) -> str:
    connection = parameter.source.get("connection") if isinstance(parameter.source, Mapping) else None
    return f"one of the choices that {connection} has" if connection else _string_rule(parameter)


_RULES: Mapping[ParameterType, Callable[[Parameter], str]] = {
    ParameterType.STRING: _string_rule,
    ParameterType.INTEGER: _range_rule("a whole number"),
    ParameterType.NUMBER: _range_rule("a number"),
    ParameterType.BOOLEAN: lambda _: "true or false",
    ParameterType.DURATION: lambda _: "a duration, for example 30s, 15m or 1h30m",
    ParameterType.CHOICE: _choice_rule,
    ParameterType.SECRET: lambda parameter: f"a secret from {parameter.source}, which is never typed",
}
