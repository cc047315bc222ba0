"""Updates on time: promised, reminded of, written by a person or by the bot, and saying what changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from bot.ports import Database
from tests.support.catalogues import PAYMENTS, catalogue, templates
from tests.support.clock import HandClock
from tests.support.story import Story, buttons, shown, tidy, told

OWN = "Posted by tocsin from what it knows"


async def own_updates(story: Story, room: str) -> list[str]:
    return [tidy(text) for text in await story.by_the_bot(room) if OWN in text]


async def test_nobody_updates(story: Story) -> None:
    """The bot posts on time what it knows, marks it as its own, and promises the next one."""
    room = await story.declared("P1 checkout is down")
    await story.fast_forward(minutes=29)
    assert await own_updates(story, room) == []
    await story.fast_forward(minutes=1)
    (update,) = await own_updates(story, room)
    for fact in ("investigating", "P1", "checkout is down", "Nobody has taken a role", "next update comes by 10:00"):
        assert fact in update
    posted = next(one for one in await story.messages(room) if OWN in shown(one))
    assert posted["sim_at"].startswith("2026-11-20T09:30:0")
    await story.fast_forward(minutes=31)
    assert len(await own_updates(story, room)) == 2


async def test_a_reminder_comes_to_the_channel_where_nobody_leads(tale: Story) -> None:
    """Before an update is due the channel is asked, with Post update and Snooze."""
    room = await tale.declared("P1 checkout is down")
    await tale.fast_forward(minutes=24)
    assert not [one for one in await tale.messages(room) if "incident.snooze" in buttons(one)]
    await tale.fast_forward(minutes=2)
    (reminder,) = [one for one in await tale.messages(room) if "incident.snooze" in buttons(one)]
    assert buttons(reminder) == ["incident.update", "incident.snooze"]
    assert "was promised by 09:30" in tidy(shown(reminder))
    assert reminder["sim_at"].startswith("2026-11-20T09:25:0")


async def test_the_commander_is_reminded_and_snoozes(story: Story) -> None:
    """The commander is reminded in a direct message; Snooze there moves the update by ten minutes."""
    room = await story.declared("P1 checkout is down")
    await story.types("Ben", "/incident role INC-1 commander")
    await story.fast_forward(minutes=26)
    (direct_message,) = await story.direct_messages("Ben")
    assert buttons(direct_message) == ["incident.update", "incident.snooze"]
    assert not [one for one in await story.messages(room) if "incident.snooze" in buttons(one)]
    await story.clicks("Ben", direct_message["channel"], direct_message, "incident.snooze")
    assert "promised by 09:40" in tidy((await story.whispers("Ben", direct_message["channel"]))[-1])
    await story.fast_forward(minutes=13)
    assert await own_updates(story, room) == []
    await story.fast_forward(minutes=2)
    assert len(await own_updates(story, room)) == 1


@pytest.mark.parametrize("led", [False, True], ids=["in the channel", "in a letter"])
async def test_an_old_reminder_does_not_move_a_newer_promise(story: Story, led: bool) -> None:
    """Snooze in a reminder of an update that was posted meanwhile moves nothing and names the promise now in force."""
    room = await story.declared("P1 checkout is down")
    if led:
        await story.types("Ada", "/incident role commander", room)
    await story.fast_forward(minutes=26)
    found = await story.direct_messages("Ada") if led else await story.messages(room)
    (reminder,) = [one for one in found if "incident.snooze" in buttons(one)]
    await story.types("Ada", "/incident update it is the cache", room)
    place = reminder["channel"] if led else room
    await story.clicks("Ada", place, reminder, "incident.snooze")
    answer = tidy((await story.whispers("Ada", place))[-1])
    assert "That reminder is past: the next update of INC-1 is promised by 09:56" in answer
    assert "by 09:56" in tidy(shown(await story.card(room)))


async def test_the_reminder_opens_the_form(tale: Story) -> None:
    """Post update in the reminder opens the form; what is sent there is the update, and the reminded one is not."""
    room = await tale.declared("P1 checkout is down")
    await tale.types("Ben", "/incident role INC-1 commander")
    await tale.fast_forward(minutes=26)
    (direct_message,) = await tale.direct_messages("Ben")
    view = await tale.opens_by_click("Ben", direct_message["channel"], direct_message, "incident.update")
    assert view["callback_id"] == "incident.update"
    await tale.submits("Ben", view, text="rolling back", status="mitigating")
    await tale.fast_forward(minutes=10)
    assert await own_updates(tale, room) == []
    assert any("rolling back" in text and "mitigating" in text for text in await tale.by_the_bot(room))


async def test_a_persons_update_resets_the_clock(tale: Story) -> None:
    """Half an hour is counted from what a person wrote."""
    room = await tale.declared("P1 checkout is down")
    await tale.fast_forward(minutes=20)
    answer = await tale.types("Ada", "/incident update the database is full", room)
    assert "Next one by 09:50" in tidy(answer)
    await tale.fast_forward(minutes=29)
    assert await own_updates(tale, room) == []
    assert any("the database is full" in text and "by <@U0ADA>" in text for text in await tale.by_the_bot(room))
    await tale.fast_forward(minutes=2)
    assert len(await own_updates(tale, room)) == 1


async def test_the_update_form_sets_status_and_the_next_promise(tale: Story) -> None:
    """In the form a person says what is new, how far they are, and when they will write again."""
    room = await tale.declared("P1 checkout is down")
    view = await tale.opens("Ada", "/incident update", room)
    await tale.submits("Ada", view, text="disk replaced", status="monitoring", next_update="15m")
    card = tidy(shown(await tale.card(room)))
    assert "monitoring" in card
    assert "by 09:15" in card
    assert "disk replaced" in card
    view = await tale.opens("Ada", "/incident update", room)
    await tale.submits("Ada", view, text="all quiet", next_update="none")
    await tale.fast_forward(hours=3)
    assert await own_updates(tale, room) == []


async def test_an_empty_update_is_asked_again(tale: Story) -> None:
    """A form without a word in it stays open and says what is missing."""
    room = await tale.declared("P1 checkout is down")
    view = await tale.opens("Ada", "/incident update", room)
    answer = await tale.submits("Ada", view, text="   ")
    assert "what is new" in str(answer["errors"])
    assert not [text for text in await tale.by_the_bot(room) if "Update on INC-1" in text]


async def test_remind_at_another_pace(tale: Story) -> None:
    """`remind 10m` promises updates every ten minutes, `remind off` none, `remind snooze 20m` moves the next one."""
    room = await tale.declared("P1 checkout is down")
    assert "every 10 minutes" in await tale.types("Ada", "/incident remind 10m", room)
    await tale.fast_forward(minutes=21)
    assert len(await own_updates(tale, room)) == 2
    assert "09:50" in tidy(await tale.types("Ada", "/incident remind snooze 20m", room))
    await tale.fast_forward(minutes=28)
    assert len(await own_updates(tale, room)) == 2
    assert "no more reminders" in await tale.types("Ada", "/incident remind off", room)
    await tale.fast_forward(hours=5)
    assert len(await own_updates(tale, room)) == 2
    assert "none promised" in shown(await tale.card(room))


async def test_a_strange_pace_is_explained(tale: Story) -> None:
    """What is no duration, or too long a one, is answered with what would be."""
    room = await tale.declared("P1 checkout is down")
    assert "15m" in await tale.types("Ada", "/incident remind often", room)
    assert "1 min to every 24 h" in await tale.types("Ada", "/incident remind 3d", room)
    assert "remind 15m" in await tale.types("Ada", "/incident remind", room)


async def test_another_severity_promises_anew(tale: Story) -> None:
    """From P2 to P0 the next update is due a quarter of an hour later, and both cards and the topic say so."""
    room = await tale.declared("P2 checkout is slow")
    await tale.fast_forward(minutes=10)
    assert "Next update by 09:25" in tidy(await tale.types("Ada", "/incident severity critical", room))
    for place in (room, "incidents"):
        assert "by 09:25" in tidy(shown(await tale.card(place)))
    assert "P0" in (await tale.channel(room))["topic"]
    await tale.fast_forward(minutes=16)
    assert len(await own_updates(tale, room)) == 1


async def test_what_changed_is_told_once(story: Story) -> None:
    """A severity change, a role claim and a note are all in the next update, and none of them in the one after."""
    room = await story.declared("P1 checkout is down")
    await story.types("Ada", "/incident severity P0", room)
    await story.types("Ben", "/incident role INC-1 commander")
    await story.types("Ada", "/incident note the load balancer was restarted", room)
    await story.fast_forward(minutes=16)
    (first,) = await own_updates(story, room)
    told_facts = ("changed severity from P1 to P0", "took the role commander", "the load balancer was restarted")
    for fact in told_facts:
        assert fact in first
    assert "<@U0BEN> (commander)" in first
    await story.fast_forward(minutes=15)
    second = (await own_updates(story, room))[1]
    for fact in told_facts:
        assert fact not in second
    assert "Nothing has changed since the last update" in second


async def test_a_persons_update_tells_what_changed_too(tale: Story) -> None:
    """What changed since the last update is under a person's words, once."""
    room = await tale.declared("P1 checkout is down")
    await tale.types("Ada", "/incident status identified", room)
    await tale.types("Ada", "/incident update it is the cache", room)
    await tale.types("Ada", "/incident update it is still the cache", room)
    first, second = [text for text in await tale.by_the_bot(room) if "Update on INC-1" in text]
    assert "changed status from investigating to identified" in first
    assert "changed status" not in second


async def test_low_severities_promise_nothing(tale: Story) -> None:
    """A P3 has no cadence: nothing is promised, reminded of or posted by itself."""
    answer = await tale.types("Ada", "/incident declare P3 a typo on the start page")
    assert "First update" not in answer
    before = len(await tale.messages("incidents"))
    await tale.fast_forward(hours=12)
    assert len(await tale.messages("incidents")) == before
    assert "none promised" in shown(await tale.card("incidents"))


# --- templates ---

FILES = {
    "slack/payments/update.S1.txt": "Urgent payments words: {{ incident.title }}",
    "slack/payments/update.txt": "Payments words: {{ incident.title }}",
    "slack/update.txt": "House words: {{ incident.title }}",
}


async def test_templates_by_service_and_severity(sqlite_database: Database, clock: HandClock, tmp_path: Path) -> None:
    """The template of service and severity wins over the service's, and that over the one for everybody."""
    own: dict[str, Any] = {
        "catalogue": [catalogue(tmp_path, payments=PAYMENTS)],
        "templates": [templates(tmp_path, **FILES)],
    }
    async with told(sqlite_database, clock, **own) as story:
        said = {
            "S1 payments cards fail": "Urgent payments words: cards fail",
            "S2 payments mail fails": "Payments words: mail fails",
            "P1 checkout is down": "House words: checkout is down",
        }
        rooms = {words: await story.declared(words) for words in said}
        await story.fast_forward(minutes=31)
        for words, room in rooms.items():
            assert said[words] in (await own_updates(story, room))[-1]


async def test_a_broken_template_gives_way(sqlite_database: Database, clock: HandClock, tmp_path: Path) -> None:
    """A template that breaks when it is used is replaced by the packaged one, with a warning that names its file."""
    broken = templates(tmp_path, **{"slack/update.txt": "{{ incident.nonsense.more }}"})
    async with told(sqlite_database, clock, templates=[broken]) as story:
        room = await story.declared("P1 checkout is down")
        with capture_logs() as logs:
            await story.fast_forward(minutes=31)
        (update,) = await own_updates(story, room)
        assert "Nothing has changed since the last update" in update
        assert any(line["event"] == "template.broken" and "update.txt" in line["file"] for line in logs)
