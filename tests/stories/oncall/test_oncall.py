"""Who is on call: looked up, taken over, given back, by the file, by Slack and by PagerDuty, whatever becomes of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from bot.ports import Database, Tx
from bot.services.workspace import people, recipients
from bot.store.people import oncall as oncall_store
from bot.store.people.oncall import Roster
from bot.store.tables.queue import deliveries
from tests.support.catalogues import catalogue
from tests.support.clock import START, HandClock
from tests.support.pagerduty import PagerDutyStandIn, pager, shift, trusted
from tests.support.story import Story, shown, tidy, told

OPS = "ops-alerts"
PAIR = ("Ben", "Cleo")
HOUR = timedelta(hours=1)
SHOP = """
service: shop
name: Shop
default_severity: S1
severities:
  - {key: S1, name: Urgent, invite: [oncall], notify: ["dm:oncall:secondary"]}
oncall:
  primary: {rotation: {people: [U0ADA, U0BEN], every: 1d, start: 2026-11-20T00:00:00+00:00}}
  secondary: {who: [U0CLEO]}
  all: {who: [team:sre]}
"""
SUN = """
service: sun
name: Follow the sun
default_severity: S1
severities: [{key: S1, name: Urgent}]
hours:
  tokyo: {tz: Asia/Tokyo, from: "09:00", to: "17:00"}
  london: {tz: Europe/London, from: "08:00", to: "16:00"}
oncall:
  primary:
    rotations:
      - {people: [U0ADA], every: 7d, start: 2026-01-05T09:00:00+00:00, hours: tokyo}
      - {people: [U0BEN], every: 7d, start: 2026-01-05T09:00:00+00:00, hours: london}
      - {people: [U0CLEO], every: 7d, start: 2026-01-05T09:00:00+00:00}
"""
THERE = """
service: there
name: There
default_severity: S1
severities: [{key: S1, name: Urgent, invite: [oncall]}]
oncall:
  primary: {pagerduty_schedule: PABC123}
"""
BARE = """
service: bare
name: Bare
default_severity: S1
severities: [{key: S1, name: Urgent}]
oncall: {nights: {who: [U0BEN]}}
"""
ORG = "default_service: shop\nteams: {sre: [U0ADA, U0BEN]}\n"


@asynccontextmanager
async def installed(
    database: Database,
    clock: HandClock,
    folder: Path,
    *,
    org: str = ORG,
    shop: str = SHOP,
    stand_in: PagerDutyStandIn | None = None,
) -> AsyncIterator[Story]:
    made = catalogue(folder, org=org, shop=shop, sun=SUN, there=THERE, bare=BARE)
    parts = {"pager": pager(stand_in)} if stand_in else {}
    async with told(database, clock, catalogue=[made], parts=parts) as story:
        await people.prefill(story.deps)
        yield story
        assert story.violations() == []
    for one in parts.values():
        one.close()


@pytest.fixture
async def both(database: Database, clock: HandClock, tmp_path: Path) -> AsyncIterator[Story]:
    """On both databases."""
    async with installed(database, clock, tmp_path) as story:
        yield story


@pytest.fixture
async def story(sqlite_database: Database, clock: HandClock, tmp_path: Path) -> AsyncIterator[Story]:
    async with installed(sqlite_database, clock, tmp_path) as made:
        yield made


@pytest.fixture
async def stand_in(
    clock: HandClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[PagerDutyStandIn]:
    """Ada until 10:00, then Cleo for an hour; nobody after that."""
    async with PagerDutyStandIn().serving(trusted(tmp_path, monkeypatch)) as made:
        made.clock = clock
        made.schedules["PABC123"] = [shift("ada", START - HOUR, START + HOUR), cleos()]
        yield made


def cleos() -> dict[str, object]:
    return shift("cleo", START + HOUR, START + 2 * HOUR)


@pytest.fixture
async def paged(
    sqlite_database: Database, clock: HandClock, tmp_path: Path, stand_in: PagerDutyStandIn
) -> AsyncIterator[Story]:
    async with installed(sqlite_database, clock, tmp_path, stand_in=stand_in) as made:
        yield made


async def says(story: Story, words: str, user: str = "Dan", channel: str = "general") -> str:
    return await story.reads(user, f"/incident oncall {words}".strip(), channel)


async def direct_messages(story: Story, user: str) -> list[str]:
    return [tidy(text) for text in await story.direct(user)]


async def lines(story: Story) -> list[str]:
    return [tidy(text) for text in await story.by_the_bot(OPS)]


# --- looking ----------------------------------------------------------------------------------------------------------


async def test_every_level_with_who_until_when_and_who_next(story: Story) -> None:
    """Each level of the service says who has it, until when and who is next, in the reader's own time."""
    text = await says(story, "")
    assert "*On call for Shop*" in text
    assert "*primary*: <@U0ADA> until 21 Nov, 00:00 UTC, then <@U0BEN> _(rotation)_" in text
    assert "*secondary*: <@U0CLEO> _(always)_" in text
    assert "*all*: the team sre _(always)_" in text
    answer = await story.does("command", user="Dan", channel="general", text="/incident oncall")
    assert "<!date^1795219200^{date_short_pretty}, {time}|" in shown(answer["response"])


async def test_nobody_is_said_plainly(story: Story) -> None:
    """Where no level is, that is said with what to do."""
    said = "Nobody is on call for Default service: add a level under `oncall` in its service.yml."
    assert said in await says(story, "default")


async def test_of_the_incident_in_its_channel(story: Story) -> None:
    """In an incident's channel it is about the incident's service."""
    room = await story.declared("bare The till is stuck")
    assert "*On call for Bare*" in await says(story, "", "Ada", room)
    assert "*On call for Shop*" in await says(story, "")
    assert "You are on call for Bare (nights)" in await story.types("Ada", "/incident oncall take 1h", room)


async def test_it_follows_the_sun(story: Story) -> None:
    """Through a day the level goes round the world, and each time the next is named."""
    seen = []
    for hour in (1, 8, 9, 17, 24):
        story.clock.set(datetime(2026, 11, 23, tzinfo=START.tzinfo) + hour * HOUR)
        (line,) = [one for one in (await says(story, "sun")).splitlines() if one.startswith("*primary*")]
        seen.append(line)
    assert seen == [
        "*primary*: <@U0ADA> until 23 Nov, 08:00 UTC, then <@U0BEN> _(rotation)_",
        "*primary*: <@U0BEN> until 23 Nov, 16:00 UTC, then <@U0CLEO> _(rotation)_",
        "*primary*: <@U0BEN> until 23 Nov, 16:00 UTC, then <@U0CLEO> _(rotation)_",
        "*primary*: <@U0CLEO> until 24 Nov, 00:00 UTC, then <@U0ADA> _(rotation)_",
        "*primary*: <@U0ADA> until 24 Nov, 08:00 UTC, then <@U0BEN> _(rotation)_",
    ]


MISTAKES = {
    "shoop": "“shoop” is no service of mine, and nothing I can do with on-call. Did you mean “shop”?",
    "tkae 2h": "Did you mean “take”?",
    "take": "Say for how long, at most 7 days: `/incident oncall take 2h`.",
    "take shop": "Say for how long, at most 7 days: `/incident oncall take 2h shop`.",
    "take 2 shop": "“2” is not a duration. Write it with units, for example 30s, 15m, 4h, 2d or 1h30m.",
    "take 8d": "“8d” does not go: on-call is taken over for between 1 minute and 7 days. Write for example 2h",
    "take 5s": "“5s” does not go",
    "take 2h primry": "“primry” is neither a service nor a level of on-call for Shop. Did you mean “primary”?",
    "take 2h shop secondry": "Shop has no level “secondry” of on-call. Did you mean “secondary”?",
    "take 2h shoop secondary": "There is no service “shoop”. Did you mean “shop”?",
    "take 2h default": "Nobody is on call for Default service: add a level",
    "take 2h a b c": "Write a service and a level after it, no more",
    "give Ben 2h": "Say to whom, as a mention: `/incident oncall give @person 2h`.",
    "give <@U0BEN>": "Say for how long, at most 7 days: `/incident oncall give <@U0BEN> 2h`.",
    "give <@U0NOBODY> 2h": "Slack does not know",
    "give <@U0GUS> 2h": "<@U0GUS> cannot be on call: only full, active members of this workspace can.",
    "take 2h secondary": "You are on call for Shop (secondary) already.",
    "end": "You have taken nothing over there. `/incident oncall` shows who is on call.",
}


async def test_what_does_not_go_is_said(story: Story) -> None:
    """A mistake is answered with what would be right, and nothing is changed by it."""
    answers = {words: await says(story, words, "Cleo") for words in MISTAKES}
    assert {words: answer for words, answer in answers.items() if MISTAKES[words] not in answer} == {}
    assert await lines(story) == []
    assert "*primary*: <@U0ADA> until 21 Nov, 00:00 UTC" in await says(story, "")


# --- taking over ------------------------------------------------------------------------------------------------------


async def test_taken_over_until_it_is_over(both: Story) -> None:
    """Who takes it has it, everybody concerned hears of it once, and when it is over both are told."""
    answer = tidy(await both.types("Cleo", "/incident oncall take 2h"))
    assert answer == "You are on call for Shop (primary) until 20 Nov, 11:00 UTC. It relieves <@U0ADA>."
    said = "<@U0CLEO> is on call for Shop (primary) until 20 Nov, 11:00 UTC, in place of <@U0ADA>."
    assert await lines(both) == [said]
    assert await direct_messages(both, "U0ADA") == [
        "<@U0CLEO> has taken over from you: they are on call for Shop (primary) until 20 Nov, 11:00 UTC."
    ]
    expected = "*primary*: <@U0CLEO> until 20 Nov, 11:00 UTC, then <@U0ADA> _(override, made here)_"
    assert expected in await says(both, "")
    assert await both.audited("shop") == [("U0CLEO", "oncall.taken")]

    await both.fast_forward(hours=2)
    assert (await direct_messages(both, "U0CLEO"))[-1] == (
        "Your time on call for Shop (primary) is over. <@U0ADA> has it now."
    )
    assert (await direct_messages(both, "U0ADA"))[1:] == [
        "You are on call for Shop (primary) again until 21 Nov, 00:00 UTC: the time of <@U0CLEO> is over."
    ]
    assert "*primary*: <@U0ADA> until" in await says(both, "")
    assert await lines(both) == [said]


async def test_given_back_early(both: Story) -> None:
    """Who took it ends it: it is over at once, its timer too, and who has it now hears of it."""
    await both.types("Cleo", "/incident oncall take 2h shop primary")
    both.clock.advance(minutes=10)
    assert "Ended: on call for Shop (primary)" in await both.types("Cleo", "/incident oncall end")
    assert (await lines(both))[1:] == ["<@U0CLEO> gave on-call for Shop (primary) back. <@U0ADA> has it now."]
    assert len(await direct_messages(both, "U0ADA")) == 2
    assert "*primary*: <@U0ADA> until" in await says(both, "")
    await both.fast_forward(hours=3)
    assert len(await direct_messages(both, "U0ADA")) == 2
    assert await direct_messages(both, "U0CLEO") == []
    assert await both.audited("shop") == [("U0CLEO", "oncall.taken"), ("U0CLEO", "oncall.ended")]


async def test_given_to_somebody(story: Story) -> None:
    """It can be given: the new one and the relieved one hear from whom, and either of the two ends it."""
    answer = tidy(await story.types("Dan", "/incident oncall give <@U0CLEO> 2h"))
    assert answer == "<@U0CLEO> is on call for Shop (primary) until 20 Nov, 11:00 UTC, and hears of it."
    assert await direct_messages(story, "U0CLEO") == [
        (
            "<@U0DAN> gave you on-call for Shop (primary) until 20 Nov, 11:00 UTC. "
            "If you cannot, `/incident oncall end` gives it back."
        )
    ]
    (direct_message,) = await direct_messages(story, "U0ADA")
    assert direct_message.startswith("<@U0CLEO> was put in your place by <@U0DAN>: they are on call for Shop (primary)")
    assert (await lines(story))[0].endswith("in place of <@U0ADA>. <@U0DAN> arranged it.")
    assert "You have taken nothing over" in await story.types("Ben", "/incident oncall end")
    assert "Ended" in await story.types("Dan", "/incident oncall end shop")
    assert (await lines(story))[1].startswith("<@U0DAN> ended the time of <@U0CLEO> on call for Shop (primary).")
    assert (await direct_messages(story, "U0CLEO"))[1:] == [
        "Your time on call for Shop (primary) is over. <@U0ADA> has it now."
    ]


async def test_taken_over_twice(story: Story) -> None:
    """The last one wins; when that is over the one before has it again, and is told only of what is so."""
    await story.types("Ben", "/incident oncall take 4h")
    assert "It relieves <@U0BEN>" in await story.types("Cleo", "/incident oncall take 1h")
    await story.fast_forward(hours=1)
    assert (
        "You are on call for Shop (primary) again until 20 Nov, 13:00 UTC"
        in (await direct_messages(story, "U0BEN"))[-1]
    )
    assert "*primary*: <@U0BEN> until 20 Nov, 13:00 UTC, then <@U0ADA>" in await says(story, "")
    await story.types("Cleo", "/incident oncall take 5h")
    before = await direct_messages(story, "U0BEN")
    await story.fast_forward(hours=4)
    assert await direct_messages(story, "U0BEN") == before


async def test_longer_and_not_shorter(story: Story) -> None:
    """Taking what one has until later makes it longer; for less there is `end`."""
    await story.types("Cleo", "/incident oncall take 2h")
    answer = tidy(await story.types("Cleo", "/incident oncall take 1h"))
    assert answer == "You are on call for Shop (primary) until 20 Nov, 11:00 UTC already."
    assert "until 20 Nov, 13:00 UTC" in tidy(await story.types("Cleo", "/incident oncall take 4h"))
    await story.fast_forward(hours=2)
    assert await direct_messages(story, "U0CLEO") == []
    await story.fast_forward(hours=2)
    assert len(await direct_messages(story, "U0CLEO")) == 1


async def test_over_while_the_bot_was_down(story: Story) -> None:
    """An end that nobody was there to tell of is told late."""
    await story.types("Cleo", "/incident oncall take 2h")
    story.clock.advance(hours=30)
    await story.settle()
    assert (await direct_messages(story, "U0CLEO"))[-1].endswith("is over. <@U0BEN> has it now.")
    assert len(await direct_messages(story, "U0ADA")) == 1


async def test_a_service_that_is_gone(story: Story) -> None:
    """What was taken in a service that has left the catalogue ends, and nobody of another service hears of it."""
    await story.types("Cleo", "/incident oncall take 2h bare")
    current_catalogue = story.deps.current_catalogue
    services = {key: one for key, one in current_catalogue.current.services.items() if key != "bare"}
    current_catalogue.current = replace(current_catalogue.current, services=services)
    await story.fast_forward(hours=2)
    assert (await direct_messages(story, "U0CLEO"))[-1].startswith(
        "Your time on call for bare (nights) is over. Nobody has it"
    )
    assert await direct_messages(story, "U0ADA") == []


async def test_somebody_whom_slack_does_not_know(sqlite_database: Database, clock: HandClock, tmp_path: Path) -> None:
    """A mistyped id in a rotation costs nobody else their letter, and is not written to for ever."""
    typo = SHOP.replace("[U0ADA, U0BEN]", "[U0ADDA]")
    async with installed(sqlite_database, clock, tmp_path, shop=typo) as story:
        await story.types("Cleo", "/incident oncall take 2h")
        assert len(await lines(story)) == 1
        async with story.deps.database.reading() as tx:
            found = await tx.execute(select(deliveries.c.state).where(deliveries.c.kind == "oncall.direct_message"))
            assert found.scalars().all() == ["dropped"]


async def test_who_may_not_respond_takes_nothing(sqlite_database: Database, clock: HandClock, tmp_path: Path) -> None:
    """Taking on-call over needs leave to respond."""
    org = f"{ORG}access: {{respond: [team:sre]}}\n"
    async with installed(sqlite_database, clock, tmp_path, org=org) as story:
        assert "You may not work on incidents" in await story.types("Dan", "/incident oncall take 2h")
        assert "*primary*: <@U0ADA>" in await says(story, "")


# --- who is meant -----------------------------------------------------------------------------------------------------


async def test_whoever_is_on_call_is_invited_and_told(story: Story) -> None:
    """At declare `oncall` is who has the service's first level at that moment, and `oncall:LEVEL` who has that one."""
    await story.types("Ben", "/incident oncall take 2h")
    room = await story.declared("S1 The till is stuck", "Dan")
    members = (await story.channel(room))["members"]
    assert "U0BEN" in members
    assert "U0ADA" not in members
    assert any("The till is stuck" in text for text in await direct_messages(story, "U0CLEO"))


async def test_taken_by_two_at_once(both: Story) -> None:
    """Two who take it in the same moment take it one after the other: one has it, and knows whom they relieved."""
    wishes = [both.does("command", user=user, channel="general", text="/incident oncall take 2h") for user in PAIR]
    answers = [str(one["response"]["text"]) for one in await asyncio.gather(*wishes)]
    await both.settle()
    relieved = sorted(text.partition("It relieves ")[2] for text in answers)
    holder = next(user for user in ("U0BEN", "U0CLEO") if f"<@{user}>." not in relieved)
    assert len([text for text in relieved if text == "<@U0ADA>."]) == 1
    assert f"*primary*: <@{holder}> until 20 Nov, 11:00 UTC, then <@U0ADA>" in await says(both, "")


# --- PagerDuty --------------------------------------------------------------------------------------------------------


async def test_by_pagerdutys_schedule(paged: Story, stand_in: PagerDutyStandIn) -> None:
    """PagerDuty says who has it, until when and who is next; people are found by their address."""
    expected = "*primary*: <@U0ADA> until 20 Nov, 10:00 UTC, then <@U0CLEO> _(PagerDuty's schedule PABC123)_"
    assert expected in await says(paged, "there")
    room = await paged.declared("there The bridge is out", "Dan")
    assert "U0ADA" in (await paged.channel(room))["members"]
    paged.clock.set(START + HOUR)
    assert "*primary*: <@U0CLEO> until 20 Nov, 11:00 UTC _(" in await says(paged, "there")


async def test_pagerduty_is_asked_seldom(paged: Story, stand_in: PagerDutyStandIn) -> None:
    """One answer does for five minutes, unless a shift in it ends before."""
    asked = stand_in.requests.count
    for number in range(3):
        await paged.declared(f"there The bridge is out {number}", "Dan")
    assert asked("GET /oncalls") == 1
    paged.clock.advance(minutes=6)
    await paged.declared("there Once more", "Dan")
    assert asked("GET /oncalls") == 2


async def test_many_ask_at_once(paged: Story, stand_in: PagerDutyStandIn) -> None:
    """Who wants to know at the same time asks PagerDuty once; while it is away it is left alone for a while."""

    async def all_of_them() -> list[list[str]]:
        return await asyncio.gather(*(recipients.expand(paged.deps, ["oncall"], service="there") for _ in range(9)))

    assert await all_of_them() == [["U0ADA"]] * 9
    assert stand_in.requests == ["GET /oncalls"]
    stand_in.goes_away()
    paged.clock.advance(minutes=6)
    for _ in range(3):
        assert await all_of_them() == [["U0ADA"]] * 9
    assert stand_in.requests == ["GET /oncalls"] * 2


async def test_an_answer_that_comes_meanwhile(
    paged: Story, stand_in: PagerDutyStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who looked before another's answer was written down, and goes on after it, takes that answer."""
    look, looked, go_on = oncall_store.roster, asyncio.Event(), asyncio.Event()

    async def slowly(tx: Tx, schedule: str) -> Roster | None:
        found = await look(tx, schedule)
        looked.set()
        await go_on.wait()
        return found

    monkeypatch.setattr(oncall_store, "roster", slowly)
    slow = asyncio.create_task(recipients.expand(paged.deps, ["oncall"], service="there"))
    await looked.wait()
    monkeypatch.setattr(oncall_store, "roster", look)
    assert await recipients.expand(paged.deps, ["oncall"], service="there") == ["U0ADA"]
    go_on.set()
    assert await slow == ["U0ADA"]
    assert stand_in.requests == ["GET /oncalls"]


async def test_a_gap_and_a_stranger(paged: Story, stand_in: PagerDutyStandIn) -> None:
    """A gap in PagerDuty's schedule is nobody, and is said; somebody whom Slack does not know is named as that."""
    stand_in.schedules["PABC123"] = []
    assert (
        "nobody. PagerDuty names nobody by its schedule PABC123 now: it has a gap, or no escalation policy there uses "
        "it. Mend that there, or take it: `/incident oncall take 2h there primary`."
    ) in await says(paged, "there")
    stand_in.schedules["PABC123"] = [shift("Zoe <!channel>", START, START + HOUR)]
    paged.clock.advance(minutes=6)
    text = await says(paged, "there")
    assert "*primary*: Zoe &lt;!channel&gt; until 20 Nov, 10:00 UTC" in text.replace("\N{WORD JOINER}", "")
    assert "not found in Slack by the address that PagerDuty has" in text


async def test_pagerduty_is_not_set_up(story: Story) -> None:
    """Without a key for it, a schedule of PagerDuty's is nobody, and what is missing is named."""
    assert (
        "nobody. PagerDuty's schedule PABC123 has it, and cannot be asked: PAGERDUTY_API_KEY is not set. Set it, or "
        "take it: `/incident oncall take 2h there primary`."
    ) in await says(story, "there")


async def test_pagerduty_is_away(paged: Story, stand_in: PagerDutyStandIn) -> None:
    """The last that PagerDuty said counts while it cannot be asked, and that is said; so is that it never said any."""
    stand_in.goes_away()
    assert "nobody. PagerDuty has not told me about its schedule PABC123. Look there, or take it:" in await says(
        paged, "there"
    )
    stand_in.comes_back()
    paged.clock.advance(seconds=31)
    assert "*primary*: <@U0ADA>" in await says(paged, "there")
    stand_in.goes_away()
    paged.clock.advance(minutes=20)
    text = await says(paged, "there")
    assert "*primary*: <@U0ADA> until 20 Nov, 10:00 UTC _(" in text
    assert "PagerDuty cannot be asked just now. What it said 20 Nov, 09:00 UTC counts until it can." in text
    room = await paged.declared("there The bridge is out", "Dan")
    assert "U0ADA" in (await paged.channel(room))["members"]


async def test_an_override_of_a_schedule_there(paged: Story, stand_in: PagerDutyStandIn) -> None:
    """Taken here it holds here, whatever PagerDuty does; that PagerDuty's own schedule is unchanged is said."""
    answer = tidy(await paged.types("Ben", "/incident oncall take 90m there"))
    assert "It relieves <@U0ADA>. PagerDuty's own schedule PABC123 is unchanged" in answer
    (direct_message,) = await direct_messages(paged, "U0ADA")
    assert direct_message.endswith(
        "PagerDuty's own schedule PABC123 is unchanged: the people it names may still be paged from there."
    )
    stand_in.goes_away()
    expected = "*primary*: <@U0BEN> until 20 Nov, 10:30 UTC, then PagerDuty's schedule PABC123 again"
    assert expected in await says(paged, "there")
    stand_in.comes_back()
    await paged.fast_forward(minutes=90)
    assert (await direct_messages(paged, "U0BEN"))[-1].endswith("is over. <@U0CLEO> has it now.")
    assert (await direct_messages(paged, "U0CLEO")) == [
        "You are on call for There (primary) again: the time of <@U0BEN> is over."
    ]


async def test_where_else_somebody_is_on_call(story: Story) -> None:
    """Who names no service reads which others have somebody; what somebody took twice is said once at its end."""
    said = await story.reads("Ada", "/incident oncall")
    assert said.endswith(
        "`/incident oncall take 2h shop` takes it over, `/incident oncall end shop` gives it back.\n"
        "Other services: `/incident oncall bare`, `/incident oncall sun` and `/incident oncall there`."
    )
    assert "Other services" not in await story.reads("Ada", "/incident oncall sun")
    await story.types("Cleo", "/incident oncall take 2h shop")
    await story.types("Cleo", "/incident oncall take 3h shop")
    assert (await story.types("Cleo", "/incident oncall end")).startswith("Ended: on call for Shop (primary). ")
