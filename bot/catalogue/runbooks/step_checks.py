"""Steps: what each may say, which earlier results it may name, and what may never be made from people's words."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from bot.catalogue import principals
from bot.catalogue.runbooks.schema import ActionSchema, ApprovalSchema, RunbookSchema, StepSchema
from bot.catalogue.yaml.document import Document, Place
from bot.domain.catalogue.catalogue import Finding
from bot.domain.catalogue.runbook import (
    ApprovalRule,
    Connection,
    Effect,
    Kind,
    OnFailure,
    ParameterType,
    Retries,
    Runbook,
    Step,
)
from bot.domain.catalogue.service import Contact
from bot.domain.errors import Unclear
from bot.domain.text import duration
from bot.domain.text.wording import hint
from bot.expressions import check as words
from bot.expressions.check import Scope

CHECKED = ("value", "values", "labels", "at", "samples")  # what the check of promql sees of each series
_READING_METHODS = ("GET", "HEAD", "OPTIONS", "POST")  # a POST may be a search; what it does is the author's to say
_URL = re.compile(
    r"https?://(?P<host>(?:[A-Za-z0-9_.-]|\x00[0-9]+\x00|\[[0-9A-Fa-f:.]+\])+)"
    r"(?P<port>:(?:[0-9]{1,5}|\x00[0-9]+\x00))?(?:[/?#].*)?",
    re.DOTALL,
)


@dataclass(frozen=True)
class Where:
    """What the steps of one runbook may refer to. None: a broken file may have held more, nothing is looked up."""

    runbook: Runbook
    connections: Mapping[str, Connection] | None
    teams: Collection[str] | None
    contacts: Collection[str]
    shell: bool
    levels: Collection[str] | None = None  # of on-call


def make(shape: StepSchema, written: Mapping[str, Any]) -> Step:
    """Its body as it is in the file, expressions without braces."""
    kind = shape.kind
    return Step(
        id=shape.id,
        kind=kind,
        body=_body(kind, written[kind.value]),
        effect=_effect(shape),
        title=shape.title or "",
        when=None if shape.when is None else words.wrapped(shape.when),
        timeout=shape.timeout,
        retries=Retries(shape.retries.max, shape.retries.backoff),
        on_failure=OnFailure(shape.on_failure),
        save={name: words.bare(text) for name, text in shape.save.items()},
        approval=_rule(shape.approval) if shape.approval and kind is not Kind.APPROVAL else None,
        undo=_undo(shape.id, shape.undo, written["undo"]) if shape.undo else None,
        in_plan=shape.in_plan,
    )


def _undo(step_id: str, shape: ActionSchema, written: Mapping[str, Any]) -> Step:
    return Step(
        id=f"{step_id}.undo",
        kind=shape.kind,
        body=_body(shape.kind, written[shape.kind.value]),
        effect=_effect(shape),
        title=shape.title or "",
        timeout=shape.timeout,
        retries=Retries(shape.retries.max, shape.retries.backoff),
    )


def _effect(shape: ActionSchema) -> Effect:
    return shape.kind.rules.effect or Effect(shape.effect or Effect.ONCE)


def _rule(shape: ApprovalSchema) -> ApprovalRule:
    return ApprovalRule(tuple(shape.who), shape.quorum, shape.expires, shape.reason)


def _body(kind: Kind, written: Mapping[str, Any]) -> dict[str, Any]:
    """As written; the values of `set` always as `{{ … }}`, so that they are worked out like any other argument.

    `to: email:ops` of an e-mail step means what `to: ops` does.
    """
    if kind is Kind.SET:
        return {name: words.wrapped(text) for name, text in written.items()}
    if kind.rules.reaches:
        return {**written, "to": str(written["to"]).removeprefix(f"{kind}:")}
    return dict(written)


def with_contact(step: Step, contacts: Mapping[str, Contact]) -> Step:
    """An e-mail or a page to a contact says whom that means: the plan shows it, and that is what is approved."""
    undo = with_contact(step.undo, contacts) if step.undo else None
    found = contacts.get(step.body["to"]) if step.kind.rules.reaches else None
    if found is None:
        return replace(step, undo=undo)
    known: dict[str, Any] = {"email": list(found.email), "who": list(found.who)}
    if step.kind is Kind.PAGE:
        known = {"pagerduty_service": found.pagerduty_service, "who": list(found.who)}
    return replace(step, undo=undo, body={**step.body, "contact": {key: one for key, one in known.items() if one}})


# --- findings -------------------------------------------------------------------------------------------------------


def findings(document: Document, shape: RunbookSchema, where: Where) -> Iterator[Finding]:
    yield from _choices(document, where)
    parameters = {one.name: one for one in where.runbook.parameters}
    offered: dict[str, tuple[str, ...]] = {}
    ids = [one.id for one in shape.steps]
    undoable = False
    for index, (one, step) in enumerate(zip(shape.steps, where.runbook.steps, strict=True)):
        place: Place = ("steps", index)
        if one.id in offered:
            line = document.line(("steps", ids.index(one.id)))
            yield document.finding((*place, "id"), f"“{one.id}” is already on line {line}. Choose another id.")
        scope = Scope(parameters, dict(offered), ids[index:])
        yield from _step(document, place, one, step, scope, where)
        offered[one.id] = _offers(step)
        if one.undo is not None:
            undoable = True
            undone = Scope(parameters, dict(offered), ids[index + 1 :])
            yield from _undo_findings(document, place, one.undo, step, undone, where)
        if one.on_failure == "undo" and not undoable:
            yield document.finding(
                (*place, "on_failure"), "Nothing could be undone: neither this step nor an earlier one has undo."
            )


def _choices(document: Document, where: Where) -> Iterator[Finding]:
    for index, one in enumerate(where.runbook.parameters):
        if one.type is ParameterType.CHOICE:
            place: Place = ("parameters", index, "from")
            problems = _connection_problems(one.source["connection"], "sql", where.connections)
            yield from document.findings((*place, "connection"), problems)
            if words.is_template(one.source["query"]):
                yield document.finding((*place, "query"), "This query is not a template. Write it out.")


def _offers(step: Step) -> tuple[str, ...]:
    own = step.body if step.kind is Kind.SET else ()
    return tuple(dict.fromkeys(["ok", "value", *step.save, *_extracted(step), *own]))


def _extracted(step: Step) -> Collection[str]:
    kind, body = step.checked
    return tuple(body.get("extract", ())) if kind is Kind.HTTP else ()


def _step(
    document: Document, place: Place, shape: StepSchema, step: Step, scope: Scope, where: Where
) -> Iterator[Finding]:
    yield from _action(document, place, shape, step, scope, where)
    if shape.approval and step.kind is not Kind.APPROVAL and shape.approval.text is not None:
        yield document.finding(
            (*place, "approval", "text"),
            "text belongs to a step that is an approval. Make it a step of its own, or remove text.",
        )
    if step.when is not None:
        problems = words.expression_problems(words.bare(step.when), scope)
        yield from document.findings((*place, "when"), problems)
    yield from _saved(document, place, step, scope)
    for name in {"ok", "value", *Kind.HTTP.rules.results}.intersection(_extracted(step)):
        inner = ("http",) if step.kind is Kind.HTTP else ("wait", "until", "http")
        yield document.finding(
            (*place, *inner, "extract", name), f"Every http step has “{name}” already. Choose another name."
        )
    if step.in_plan and not (step.effect is Effect.READ and step.kind.rules.looks):
        yield document.finding(
            (*place, "in_plan"),
            "Only a step that reads is looked at by the plan: http, sql, redis, promql or shell. Remove this.",
        )


def _saved(document: Document, place: Place, step: Step, scope: Scope) -> Iterator[Finding]:
    results = (*step.checked[0].rules.results, *_extracted(step))
    own = Scope(scope.parameters, scope.offered, scope.later, results)
    if step.save and not own.own:
        yield document.finding((*place, "save"), f"A {step.kind} step has no result to save. Remove this.")
        return
    for name, text in step.save.items():
        if name in ("ok", "value"):
            yield document.finding((*place, "save", name), f"Every step has “{name}” already. Choose another name.")
        yield from document.findings((*place, "save", name), words.expression_problems(text, own))


def _undo_findings(
    document: Document, place: Place, shape: ActionSchema, step: Step, scope: Scope, where: Where
) -> Iterator[Finding]:
    inner = (*place, "undo")
    if shape.approval is not None:
        yield document.finding((*inner, "approval"), "An undo is approved as a whole. Remove this.")
    if step.undo is not None:
        yield from _action(document, inner, shape, step.undo, scope, where)


def _action(
    document: Document, place: Place, shape: ActionSchema, step: Step, scope: Scope, where: Where
) -> Iterator[Finding]:
    yield from _effect_findings(document, place, shape, step)
    yield from document.findings((*place, "title"), words.template_problems(step.title, scope))
    yield from _body_findings(document, (*place, step.kind.value), step.kind, step.body, scope, where)


def _effect_findings(document: Document, place: Place, shape: ActionSchema, step: Step) -> Iterator[Finding]:
    fixed = step.kind.rules.effect
    if fixed and shape.effect and shape.effect != fixed:
        yield document.finding((*place, "effect"), f"A {step.kind} step is always {fixed}. Remove this line.")
    if step.effect is Effect.READ and (problem := _not_reading(step.kind, step.body)):
        yield document.finding((*place, "effect"), f"{problem} Write repeatable or once.")


def _not_reading(kind: Kind, body: Mapping[str, Any]) -> str | None:
    if kind.rules.reaches:
        return "It reaches people, so it is not a read."
    if kind is Kind.SQL and body.get("write"):
        return "A query with write: true is not a read."
    if kind is Kind.HTTP and body.get("method", "GET") not in _READING_METHODS:
        return f"A {body['method']} request is not a read."
    if kind is Kind.REDIS and not _is_redis_read(body["command"]):
        return f"“{body['command'][0]}” is not known as a command that only reads."
    return None


def _is_redis_read(command: list[Any]) -> bool:
    return any(" ".join(map(str, command[:length])).upper() in _REDIS_READS for length in (1, 2))


_SINGLE = """
    BITCOUNT BITPOS DBSIZE ECHO EXISTS EXPIRETIME GEODIST GEOHASH GEOPOS GEOSEARCH GET GETBIT GETRANGE HEXISTS HGET
    HGETALL HKEYS HLEN HMGET HRANDFIELD HSCAN HSTRLEN HVALS INFO KEYS LASTSAVE LINDEX LLEN LPOS LRANGE MGET PEXPIRETIME
    PFCOUNT PING PTTL RANDOMKEY ROLE SCAN SCARD SDIFF SINTER SINTERCARD SISMEMBER SMEMBERS SMISMEMBER SRANDMEMBER SSCAN
    STRLEN SUNION TIME TTL TYPE XINFO XLEN XPENDING XRANGE XREVRANGE ZCARD ZCOUNT ZLEXCOUNT ZMSCORE ZRANDMEMBER ZRANGE
    ZRANGEBYLEX ZRANGEBYSCORE ZRANK ZREVRANGE ZREVRANK ZSCAN ZSCORE
"""
_DOUBLE = """
    CLIENT COUNT, CLIENT INFO, CLIENT LIST, CLUSTER INFO, CLUSTER NODES, COMMAND COUNT, CONFIG GET, LATENCY LATEST,
    MEMORY DOCTOR, MEMORY STATS, MEMORY USAGE, OBJECT ENCODING, OBJECT FREQ, OBJECT IDLETIME, SLOWLOG GET, SLOWLOG LEN
"""
_REDIS_READS = frozenset(_SINGLE.split()) | frozenset(" ".join(one.split()) for one in _DOUBLE.split(","))


# --- the body of a kind ---------------------------------------------------------------------------------------------


def _body_findings(
    document: Document, place: Place, kind: Kind, body: Mapping[str, Any], scope: Scope, where: Where
) -> Iterator[Finding]:
    yield from _plain_values(document, place, body)
    if kind is Kind.SHELL and not where.shell:
        yield document.finding(
            place, "Shell steps are not allowed in this catalogue folder. Name the folder in TOCSIN_ALLOW_SHELL."
        )
    if kind is Kind.WAIT:
        yield from _wait(document, place, body, scope, where)
        return
    if kind is Kind.SET:
        yield from _set(document, place, body, scope)
        return
    broken = list(_templates(document, place, kind, body, scope))
    yield from broken
    if not broken:
        yield from _guards(document, place, kind, body, scope)
        yield from _connection(document, place, kind, body, scope, where)
        yield from _special(document, place, kind, body, scope, where)


def _plain_values(document: Document, place: Place, value: Any) -> Iterator[Finding]:
    """An unquoted date is no value that JSON has."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if words.is_template(key):
                yield document.finding((*place, key), f"“{key}” is a key, and keys are not templates. Write it out.")
            yield from _plain_values(document, (*place, key), inner)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _plain_values(document, (*place, index), inner)
    elif value is not None and not isinstance(value, str | bool | int | float):
        yield document.finding(place, f"“{value}” is neither text nor a number. Put it in quotes.")
    elif isinstance(value, float) and not math.isfinite(value):
        yield document.finding(place, "This is not a number. Write one.")


def _texts(value: Any, place: Place = ()) -> Iterator[tuple[Place, str]]:
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _texts(inner, (*place, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _texts(inner, (*place, index))


_NEVER_TEMPLATES = {"method", "env", "cwd", "to", "who", "expires"}


def _templates(
    document: Document, place: Place, kind: Kind, body: Mapping[str, Any], scope: Scope
) -> Iterator[Finding]:
    for inner, text in _texts(body):
        if inner[0] in _NEVER_TEMPLATES and words.is_template(text):
            yield document.finding((*place, *inner), f"“{inner[0]}” is not a template. Write it out.")
        else:
            yield from document.findings((*place, *inner), words.template_problems(text, scope))


def _set(document: Document, place: Place, body: Mapping[str, Any], scope: Scope) -> Iterator[Finding]:
    for name, text in body.items():
        if name in ("ok", "value"):
            yield document.finding((*place, name), f"Every step has “{name}” already. Choose another name.")
        yield from document.findings((*place, name), words.template_problems(text, scope))


def _wait(document: Document, place: Place, body: Mapping[str, Any], scope: Scope, where: Where) -> Iterator[Finding]:
    for key in ("for", "every", "deadline"):
        if key in body:
            yield from _duration(document, (*place, key), body[key], scope)
    if "until" not in body:
        return
    kind, inner = next(iter(body["until"].items()))
    inside = (*place, "until", kind)
    problem = _not_reading(Kind(kind), inner)
    if problem or (kind == "http" and inner.get("method", "GET") not in ("GET", "HEAD")):
        yield document.finding(
            inside, f"{problem or 'A POST may change something.'} A wait only looks, again and again."
        )
    yield from _body_findings(document, inside, Kind(kind), inner, scope, where)


def _duration(document: Document, place: Place, text: str, scope: Scope) -> Iterator[Finding]:
    if words.is_template(text):
        yield from document.findings(place, words.template_problems(text, scope))
        return
    try:
        if duration.parse(text) < timedelta(seconds=1):
            yield document.finding(place, "This must be at least 1s.")
    except Unclear as problem:
        yield document.finding(place, problem.sentence)


# --- what people's words may never become ---------------------------------------------------------------------------


@dataclass(frozen=True)
class _Guard:
    place: Place
    text: str
    what: str
    advice: str
    narrow: bool = False  # text of letters, digits, `_`, `.` and `-` alone may take part


def _guarded(kind: Kind, body: Mapping[str, Any]) -> Iterator[_Guard]:
    match kind:
        case Kind.SQL:
            yield _Guard(("query",), body["query"], "a query", "Bind it: write :NAME and add NAME under params.")
        case Kind.PROMQL:
            yield _Guard(("query",), body["query"], "a query", _NARROW, narrow=True)
            yield _Guard(("check",), body.get("check", ""), "a check", "Compare with a number, or an enum in quotes.")
        case Kind.REDIS:
            yield _Guard(("command", 0), str(body["command"][0]), "the name of a command", _ENUM)
        case Kind.SHELL:
            yield _Guard(("argv", 0), body["argv"][0], "the name of a program", _ENUM)


_ENUM = "Give a parameter an enum for it."
_NARROW = "Give the parameter an enum, or a pattern of letters, digits, _ . and - alone."


def _guards(document: Document, place: Place, kind: Kind, body: Mapping[str, Any], scope: Scope) -> Iterator[Finding]:
    for guard in _guarded(kind, body):
        for piece in words.pieces(guard.text):
            for name in words.guarded(piece.paths or (), scope, narrow=guard.narrow):
                sentence = f"“{name}” may be any text, so it is never part of {guard.what}. {guard.advice}"
                yield document.finding((*place, *guard.place), sentence)
    if kind is Kind.HTTP:
        yield from document.findings((*place, "url"), _url_problems(body["url"], scope))


def _url_problems(url: str, scope: Scope) -> Iterator[str]:
    for marked, paths in _marked(url, scope):
        shape = _URL.fullmatch(marked)
        if shape is None:
            yield "A URL begins with http:// or https:// and a host, without a user's name. Correct it."
            return
        authority = f"{shape['host']}{shape['port'] or ''}"
        taking_part = [paths[int(number)] for number in re.findall(r"\x00([0-9]+)\x00", authority)]
        for name in dict.fromkeys(name for one in taking_part for name in words.guarded(one, scope, narrow=True)):
            yield f"“{name}” may be any text, so it is never part of a URL's host. {_NARROW}"


def _marked(url: str, scope: Scope) -> Iterator[tuple[str, list[tuple[words.Path, ...]]]]:
    paths: list[tuple[words.Path, ...]] = []
    text = ""
    for part in words.pieces(url):
        if part.paths is None:
            text += part.text.replace("\x00", "")
        else:
            text += f"\x00{len(paths)}\x00"
            paths.append(part.paths)
    first = paths[0] if text.startswith("\x00") else ()
    name = first[0][1] if len(first) == 1 and first[0][0] == "params" and len(first[0]) == 2 else ""
    parameter = scope.parameters.get(name)
    if parameter is None or not parameter.enum:
        yield text, paths
        return
    for value in parameter.enum:
        yield text.replace("\x000\x00", value, 1), paths


def _connection(
    document: Document, place: Place, kind: Kind, body: Mapping[str, Any], scope: Scope, where: Where
) -> Iterator[Finding]:
    needed = kind.rules.connection
    if needed is None:
        return
    text = body["connection"]
    names: Collection[str] = [text]
    if words.is_template(text):
        parameter = scope.parameters.get(words.only_parameter(text) or "")
        if parameter is None or not parameter.enum:
            yield document.finding(
                (*place, "connection"),
                "A connection is written out, or {{ params.NAME }} of a parameter with an enum.",
            )
            return
        names = parameter.enum
    for name in names:
        yield from document.findings((*place, "connection"), _connection_problems(name, needed, where.connections))


def _connection_problems(name: str, needed: str, connections: Mapping[str, Connection] | None) -> Iterator[str]:
    if connections == {}:
        yield f"There is no connection “{name}”. Add it under connections in org.yml."
    elif connections is not None and name not in connections:
        yield f"There is no connection “{name}” in org.yml. {hint(name, connections)}"
    elif connections is not None and connections[name].kind != needed:
        yield f"“{name}” is a {connections[name].kind} connection, and this needs a {needed} one."


def _special(
    document: Document, place: Place, kind: Kind, body: Mapping[str, Any], scope: Scope, where: Where
) -> Iterator[Finding]:
    if kind is Kind.MESSAGE:
        yield from _target(document, (*place, "to"), body["to"], where)
    if kind.rules.reaches:
        yield from _recipient(document, (*place, "to"), kind, body, where)
    if kind is Kind.PROMQL:
        check = words.with_zeros(body.get("check", "1"))
        problems = words.expression_problems(check, Scope({}, {}, own=CHECKED))
        yield from document.findings((*place, "check"), problems)
        for key in ("range", "step"):
            if key in body:
                yield from _duration(document, (*place, key), body[key], scope)
    if kind is Kind.SHELL:
        yield from _arguments(document, place, body)


def _target(document: Document, place: Place, target: str, where: Where) -> Iterator[Finding]:
    kind = target.partition(":")[0]
    if kind in _EXAMPLES:
        problem: str | None = f"A message is posted in Slack. “{target}” takes {_EXAMPLES[kind]}."
    else:
        problem = principals.target_problem(target, where.teams, where.contacts, where.levels)
    if problem:
        yield document.finding(place, problem)


_EXAMPLES = {
    "email": "an e-mail step: email: {to, subject, text}",
    "page": "a page step: page: {to, text}",
}


def _recipient(
    document: Document, place: Place, kind: Kind, body: Mapping[str, Any], where: Where
) -> Iterator[Finding]:
    to, contact = body["to"], body.get("contact")
    problem = principals.target_problem(f"{kind}:{to}", where.teams, where.contacts, where.levels)
    if problem is None and to == "everyone":
        problem = "“everyone” is nobody in particular. Name a team, a contact or people."
    if problem is None and contact is not None and not contact.get("who"):
        problem = principals.no_way_to(kind.value, to, contact)
    if problem:
        yield document.finding(place, problem)


def _arguments(document: Document, place: Place, body: Mapping[str, Any]) -> Iterator[Finding]:
    if not body["argv"][0]:
        yield document.finding((*place, "argv", 0), "The first argument is the program. Name it.")
    for index, text in enumerate(body["argv"]):
        if "\x00" in text:
            yield document.finding((*place, "argv", index), "An argument holds no NUL character. Remove it.")
    if "\x00" in body.get("cwd", ""):
        yield document.finding((*place, "cwd"), "A folder's name holds no NUL character. Remove it.")
