"""The kinds that need people or nothing at all: manual, approval, message, set; and the table of all kinds."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec
from typing import Any

import pytest

from bot.domain.catalogue.runbook import Connection, Kind
from bot.domain.runs.outcome import Done, Failed, Waiting
from bot.engine.secrets import Secrets
from bot.engine.steps import STEPS, Connections
from tests.engine.steps.support import NASTY, make_context


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_is_there(kind: Kind) -> None:
    """A kind that the file format knows has a file that performs it."""
    assert kind in STEPS
    assert find_spec(f"bot.engine.steps.{kind.value}")


@pytest.mark.parametrize("text", ["Turn the key.", "two\nlines"])
async def test_people_are_waited_for(text: str) -> None:
    """A manual step and an approval wait until somebody acts, and say what for."""
    for kind in (Kind.MANUAL, Kind.APPROVAL):
        assert await STEPS[kind]({"text": text}, make_context()) == Waiting(None, text)


async def test_an_approval_needs_no_words() -> None:
    """Without a text it says what it is."""
    assert await STEPS[Kind.APPROVAL]({"text": None}, make_context()) == Waiting(None, "Waiting for approval.")


@pytest.mark.parametrize("text", [text for text in NASTY if text])
async def test_a_message_keeps_its_words(text: str) -> None:
    """Its target and text come out as they went in; making them harmless belongs to the sender of the message."""
    outcome = await STEPS[Kind.MESSAGE]({"to": "slack:#ops", "text": text}, make_context())
    assert isinstance(outcome, Done)
    assert outcome.result == {"to": "slack:#ops", "text": text}


async def test_a_long_message_is_cut() -> None:
    """A text that no channel could take keeps both ends."""
    outcome = await STEPS[Kind.MESSAGE]({"to": "slack:#ops", "text": "a" * 50_000 + "z"}, make_context())
    assert isinstance(outcome, Done)
    assert len(outcome.result["text"]) < 3_100
    assert outcome.result["text"].endswith("z")


@pytest.mark.parametrize("arguments", [{"to": "slack:#ops"}, {"text": "x"}, {"to": "slack:#ops", "text": "  "}])
async def test_an_empty_message_is_refused(arguments: dict[str, Any]) -> None:
    """A message without words or target is refused."""
    assert isinstance(await STEPS[Kind.MESSAGE](arguments, make_context()), Failed)


async def test_values_are_set() -> None:
    """Values keep their types; too much of them is refused."""
    outcome = await STEPS[Kind.SET]({"n": 3, "hosts": ["a", "b"]}, make_context())
    assert isinstance(outcome, Done)
    assert outcome.result == {"n": 3, "hosts": ["a", "b"]}
    assert isinstance(await STEPS[Kind.SET]({"n": "x" * 2_000_000}, make_context()), Failed)


@pytest.mark.parametrize("kind", [Kind.SQL, Kind.REDIS, Kind.PROMQL])
@pytest.mark.parametrize("name", ["missing", "other", "unset"])
async def test_a_connection_that_is_not_there(kind: Kind, name: str) -> None:
    """An unknown connection, one of another kind and one that is not set are sentences, and nothing was done."""
    known = {"other": Connection("other", "smtp", "env:X"), "unset": Connection("unset", _sort(kind), "env:NOT_SET")}
    context = replace(make_context(), connections=Connections(known, Secrets({}).resolve))
    arguments = {"connection": name, "query": "SELECT 1", "command": ["PING"]}
    outcome = await STEPS[kind](arguments, context)
    assert isinstance(outcome, Failed)
    assert outcome.certain
    assert ("NOT_SET" if name == "unset" else name) in outcome.sentence


def _sort(kind: Kind) -> str:
    return "prometheus" if kind is Kind.PROMQL else kind.value
