"""What people type: any title stays text, words come in any order, a mistake is answered with what is right."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from bot.domain.incidents.draft import TITLE_LIMIT
from bot.ports import Database
from tests.support.clock import HandClock
from tests.support.story import Story, shown, tidy, told

NASTY = "<!channel> *all* _of_ ~it~ `down` <https://evil.invalid|log in here> @here &amp; <@U0BEN>"

LIVE = re.compile(
    r"<!(?:channel|here)|@(?:here|channel)\b|<https://evil|<@U0BEN>|(?<!\N{WORD JOINER})[*_~`]+(?:all|of|it|down)"
)


def everything_said(story: Story) -> list[dict[str, Any]]:
    """What every successful call told Slack to show as text with markup; a topic has none."""
    shows = ("chat.postMessage", "chat.update", "chat.postEphemeral")
    return [one["args"] for method in shows for one in story.calls(method) if one["ok"]]


def texts(value: Any) -> list[str]:
    """Every string that Slack would read as mrkdwn, blocks included."""
    if isinstance(value, str):
        try:
            return texts(json.loads(value)) if value.startswith(("[", "{")) else [value]
        except ValueError:
            return [value]
    if isinstance(value, list):
        return [text for one in value for text in texts(one)]
    if isinstance(value, dict):
        if value.get("type") == "plain_text":
            return []
        return [text for key, one in value.items() if key not in ("value", "url") for text in texts(one)]
    return []


async def test_a_nasty_title_stays_text(tale: Story) -> None:
    """A title full of markup and broadcasts is text in every card, topic, update, message and draft."""
    answer = await tale.types("Ada", f"/incident declare P1 {NASTY}")
    room = (await tale.channel("inc-1"))["name"]
    await tale.fast_forward(minutes=31)
    await tale.types("Ada", "/incident resolve turned it off and on again", room)
    await tale.fast_forward(minutes=31)
    said = [answer, *(text for args in everything_said(tale) for text in texts(args))]
    assert len(said) > 20
    for text in said:
        assert not LIVE.search(text), text
    (draft,) = await tale.files(room)
    assert draft.startswith("# INC-1: ")
    assert "<!channel" not in draft
    assert "[log in here]" not in draft


@pytest.mark.parametrize(
    ("title", "name"),
    [("база – データベースが停止 الدفع معطل 🔥 schlägt fehl", "inc-1-baza-"), ("...", "inc-1")],
    ids=["every script", "only dots"],
)
async def test_titles_of_any_script(tale: Story, title: str, name: str) -> None:
    """The title is unchanged on the card; the channel's name keeps its sound, by Slack's rules."""
    room = await tale.declared(f"P1 {title}")
    assert room.startswith(name)
    assert title in shown(await tale.card(room))
    assert title in (await tale.channel(room))["topic"]
    await tale.types("Ada", "/incident resolve done", room)
    assert title.replace(".", "") in (await tale.files(room))[0].replace("\\", "").replace(".", "")


async def test_a_title_of_four_thousand_characters(tale: Story) -> None:
    """The longest title is declared whole: the card shows it, the topic and the channel's name a beginning of it."""
    title = ("checkout fails " * 400)[: TITLE_LIMIT - 1] + "x"
    room = await tale.declared(f"P1 {title}")
    assert len(room) <= 80
    assert len((await tale.channel(room))["topic"]) <= 250
    assert "checkout fails checkout fails" in shown(await tale.card(room))
    await tale.fast_forward(minutes=31)
    await tale.types("Ada", "/incident resolve done", room)
    assert title in (await tale.files(room))[0]


async def test_a_longer_title_is_refused_in_a_sentence(tale: Story) -> None:
    """One character more is refused, with how many fit."""
    answer = await tale.types("Ada", "/incident declare P1 " + "x" * (TITLE_LIMIT + 1))
    assert f"{TITLE_LIMIT} fit" in answer


async def test_a_quoted_title_is_taken_whole(tale: Story) -> None:
    """What is in quotes is the title, whatever its words are."""
    await tale.types("Ada", "/incident declare P1 “private P0 drill”")
    card = shown(await tale.card("inc-1-private-p0-drill"))
    assert "INC-1 private P0 drill" in card
    assert "Drill:" not in card
    assert "P1 High" in card


async def test_words_in_any_order(tale: Story) -> None:
    """Severity, service and drill come in any order and any case; the rest is the title."""
    room = await tale.declared("DEFAULT Sev1 Drill checkout is down")
    assert room == "inc-1-checkout-is-down"
    card = shown(await tale.card(room))
    assert "P0 Critical" in card
    assert "Drill" in card


async def test_without_a_severity_it_is_the_services(tale: Story) -> None:
    """No severity in the words: the service's default."""
    assert "at P2" in await tale.types("Ada", "/incident declare search is slow")


async def test_a_severity_that_is_none(tale: Story) -> None:
    """A word that looks like a severity and is none is refused with the list, and nothing is declared."""
    answer = await tale.types("Ada", "/incident declare sev9 checkout is down")
    assert "sev9" in answer
    assert "P0, P1, P2 and P3" in answer
    assert await tale.cards("incidents") == []


async def test_an_unknown_severity_lists_the_services(tale: Story) -> None:
    """`severity purple` is answered with the levels of the incident's service; so is no level at all."""
    room = await tale.declared("P1 checkout is down")
    assert "P0, P1, P2 and P3" in await tale.types("Ada", "/incident severity purple", room)
    assert "P0, P1, P2 and P3" in await tale.types("Ada", "/incident severity", room)


async def test_an_unknown_verb_gets_the_nearest(tale: Story) -> None:
    """A verb that is not there is answered with the nearest that is, in commands and mentions."""
    assert "`/incident resolve`" in await tale.types("Ada", "/incident reslove INC-1")
    assert "`/incident declare`" in await tale.types("Ada", "/incident delcare P1 x")
    await tale.says("Ada", "@tocsin timelin INC-1", "general")
    assert "`/incident timeline`" in (await tale.whispers("Ada", "general"))[-1]


async def test_an_id_alone_is_shown(tale: Story) -> None:
    """Who types an id where the verb belongs sees what it names."""
    room = await tale.declared("P1 checkout is down")
    assert "checkout is down" in await tale.types("Ada", "/incident INC-1", "general")
    assert "“restart_api”" in await tale.types("Ada", "/runbook restart_apii", room)
    assert "There is no RUN-7" in await tale.types("Ada", "/runbook RUN-7", room)


async def test_a_missing_number_asks_which(tale: Story) -> None:
    """Where no incident is meant, the open ones are offered; where none is open, how to declare one."""
    assert "/incident declare" in await tale.types("Ada", "/incident update hello")
    await tale.declared("P1 checkout is down")
    await tale.declared("P2 search is slow")
    answer = await tale.types("Ada", "/incident update hello")
    assert "Which one?" in answer
    assert "INC-1 (checkout is down) or INC-2 (search is slow)" in answer


async def test_an_incident_that_is_not_there(tale: Story) -> None:
    """A number that nothing has is said to be that."""
    assert "There is no INC-77" in await tale.types("Ada", "/incident show INC-77")


async def test_an_unknown_status_lists_them(tale: Story) -> None:
    """A status that does not exist is answered with the ones that do; `resolved` means resolve."""
    room = await tale.declared("P1 checkout is down")
    assert "identified, mitigating, monitoring" in await tale.types("Ada", "/incident status broken", room)
    assert "INC-1 is mitigating now" in await tale.types("Ada", "/incident status mitigating", room)
    assert "INC-1 is resolved" in await tale.types("Ada", "/incident status resolved it was the cache", room)


async def test_help_lists_every_verb(tale: Story) -> None:
    """Help names each verb that exists, and none that does not yet."""
    text = await tale.reads("Ada", "/incident help")
    for verb in (
        "declare", "list", "show", "ack", "severity", "status", "role", "update", "remind", "note", "timeline",
        "resolve", "reopen", "close", "postmortem", "runbook", "why", "silence",
        "maintenance", "page", "escalate", "oncall",
    ):  # fmt: skip
        assert f"`/incident {verb}" in text
    for later in ("stats", "merge", "link", "action"):
        assert f"/incident {later}" not in text


async def test_mentions_take_every_verb_in_threads(story: Story) -> None:
    """In the thread of its card a mention means that incident, and a verb that needs a form answers with its button."""
    room = await story.declared("P1 checkout is down")
    thread = (await story.card(room))["ts"]
    await story.does("join", user="Ben", channel=room)
    for words in ("severity P0", "status identified", "role ops", "note it is the cache", "update working on it"):
        await story.says("Ben", f"@tocsin {words}", room, thread)
    card = shown(await story.card(room))
    for fact in ("P0", "identified", "ops: <@U0BEN>", "working on it"):
        assert fact in card
    await story.says("Ben", "@tocsin update", room, thread)
    asked = [one for one in await story.messages(room, "U0BEN") if one.get("ephemeral")][-1]
    view = await story.opens_by_click("Ben", room, asked, "incident.update")
    assert view["callback_id"] == "incident.update"


async def test_overview_list_and_show(tale: Story) -> None:
    """`/incident` shows what is open, here this incident; `list` has open, all and mine; `show` has the card."""
    room = await tale.declared("P1 checkout is down")
    await tale.types("Ben", "/incident declare P0 the database is gone")
    everything = await tale.reads("Cleo", "/incident")
    assert everything.index("INC-2") < everything.index("INC-1"), "worst first"
    assert "checkout is down" in await tale.reads("Ada", "/incident", room)
    await tale.types("Ada", "/incident resolve done", room)
    assert "INC-1" not in await tale.reads("Cleo", "/incident list")
    assert "INC-1" in await tale.reads("Cleo", "/incident list all")
    assert "INC-1" in await tale.reads("Ada", "/incident list mine")
    assert "INC-2" not in await tale.reads("Ada", "/incident list mine")
    shown_card = tidy(await tale.reads("Cleo", "/incident show INC-2"))
    assert "the database is gone" in shown_card
    assert "P0 Critical" in shown_card
    assert "`list all` or `list mine`" in await tale.types("Ada", "/incident list everything")


@pytest.mark.parametrize("error", ["not_in_channel", "user_not_found", "msg_blocks_too_long"])
async def test_an_answer_that_cannot_be_whispered_is_a_letter(
    sqlite_database: Database, clock: HandClock, error: str
) -> None:
    """Whatever Slack's reason for not whispering an answer in its place, the person reads it in a direct message."""
    async with told(sqlite_database, clock) as story:  # one of the reasons would be a mistake of ours
        room = await story.declared("P1 checkout is down")
        await story.fault("error", method="chat.postEphemeral", error=error, times=9)
        await story.says("Ada", "@tocsin show", room)
        (direct_message,) = await story.direct("Ada")
        assert "checkout is down" in direct_message
