"""The post-mortem: drafted when an incident is resolved, edited in Slack, owed until somebody marks it done."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bot.ports import Database
from tests.support.catalogues import PAYMENTS, catalogue, templates
from tests.support.clock import HandClock
from tests.support.story import Story, buttons, shown, told


async def whole_life(story: Story) -> str:
    """Declared at 9:00, acknowledged at 9:10, mitigated at 9:40, resolved at 10:30."""
    room = await story.declared("P1 checkout is down")
    await story.types("Ada", "/incident remind off", room)
    await story.fast_forward(minutes=10)
    await story.types("Ben", "/incident role INC-1 commander")
    await story.fast_forward(minutes=30)
    await story.types("Ben", "/incident status INC-1 monitoring")
    await story.fast_forward(minutes=50)
    view = await story.opens("Ada", "/incident resolve", room)
    await story.submits("Ada", view, fix="rolled back 1.42", impact="nobody could pay")
    return room


def figure(draft: str, name: str) -> str:
    found = re.search(rf"^\| {name} \| (.*) \|$", draft, re.MULTILINE)
    assert found, draft
    return found[1]


async def draft_message(story: Story, room: str) -> dict[str, Any]:
    return next(one for one in await story.messages(room) if "Post-mortem draft of" in shown(one))


async def test_the_draft_is_half_written(story: Story) -> None:
    """On resolve the draft is in the card's thread, as a message and a file with figures, roles and timeline."""
    room = await whole_life(story)
    message = await draft_message(story, room)
    assert message["thread_ts"] == (await story.card(room))["ts"]
    assert buttons(message) == ["postmortem.edit", "postmortem.done"]
    (draft,) = await story.files(room)
    assert figure(draft, "Detected").startswith("2026-11-20 09:00:0")
    assert figure(draft, "Acknowledged").startswith("2026-11-20 09:10:0")
    assert figure(draft, "Mitigated").startswith("2026-11-20 09:40:")
    assert figure(draft, "Resolved").startswith("2026-11-20 10:30:")
    assert figure(draft, "Time to acknowledge").startswith("10 min")
    assert figure(draft, "Time to mitigate").startswith("40 min")
    assert figure(draft, "Time to resolve").startswith("1 h 30 min")
    for fact in ("rolled back 1.42", "nobody could pay", "Commander: ben", "took the role commander", "declared P1"):
        assert fact.casefold() in draft.casefold()
    for heading in ("## Root cause", "## Lessons"):
        body = draft.split(heading)[1].split("##")[0].strip()
        assert re.fullmatch(r"_.*_", body, re.DOTALL), "left for people to write"


async def test_durations_over_a_daylight_saving_night(sqlite_database: Database) -> None:
    """26 hours over the night in which Berlin loses an hour are 26 hours."""
    clock = HandClock(datetime(2026, 3, 28, 20, 0, tzinfo=UTC))
    async with told(sqlite_database, clock) as story:
        room = await story.declared("P1 checkout is down")
        await story.types("Ada", "/incident remind off", room)
        await story.fast_forward(hours=26)
        await story.types("Ada", "/incident resolve done", room)
        (draft,) = await story.files(room)
        assert figure(draft, "Time to resolve") == "1 d 2 h"
        assert figure(draft, "Time to mitigate") == "1 d 2 h"


async def edited(story: Story, room: str) -> None:
    view = await story.opens_by_click("Ada", room, await draft_message(story, room), "postmortem.edit")
    cause = next(block["block_id"] for block in view["blocks"] if block["label"]["text"] == "Root cause")
    wish = {cause: "A *migration* locked the table."}
    answer = await story.does("submit", user="Ada", view_id=view["id"], values=wish)
    assert answer["ok"], answer
    await story.settle()


async def test_edits_are_kept(story: Story) -> None:
    """What people write in the form is in a new file, in `/incident postmortem`, and in the form when opened again."""
    room = await whole_life(story)
    await edited(story, room)
    first, second = await story.files(room)
    assert "A *migration* locked the table." not in first
    assert "## Root cause\n\nA *migration* locked the table." in second
    assert "A *migration* locked the table." in await story.reads("Cleo", "/incident postmortem INC-1")
    view = await story.opens_by_click("Ada", room, await draft_message(story, room), "postmortem.edit")
    assert "A *migration* locked the table." in str(view["blocks"])


async def test_unchanged_edits_change_nothing(tale: Story) -> None:
    """Saving the form as it was posts no second file."""
    room = await whole_life(tale)
    view = await tale.opens_by_click("Ada", room, await draft_message(tale, room), "postmortem.edit")
    await tale.does("submit", user="Ada", view_id=view["id"], values={})
    await tale.settle()
    assert len(await tale.files(room)) == 1


async def test_owed_in_48_hours_until_done(tale: Story) -> None:
    """The commander is reminded a day before, when it is due, and every day after, until it is marked done."""
    room = await whole_life(tale)
    direct_messages = len(await tale.direct_messages("Ben"))
    await tale.fast_forward(hours=23)
    assert len(await tale.direct_messages("Ben")) == direct_messages
    await tale.fast_forward(hours=2)
    assert "The post-mortem of INC-1 is due" in shown((await tale.direct_messages("Ben"))[-1])
    await tale.fast_forward(hours=24)
    await tale.fast_forward(hours=24)
    assert len(await tale.direct_messages("Ben")) == direct_messages + 3
    assert "was due" in shown((await tale.direct_messages("Ben"))[-1])
    direct_message = (await tale.direct_messages("Ben"))[-1]
    await tale.clicks("Ben", direct_message["channel"], direct_message, "postmortem.done")
    await tale.fast_forward(hours=100)
    assert len(await tale.direct_messages("Ben")) == direct_messages + 3
    assert "Marked done" in shown(await draft_message(tale, room))


async def test_without_a_commander_the_declarer_is_reminded(tale: Story) -> None:
    """Where nobody led it, who declared it owes the post-mortem."""
    room = await tale.declared("P0 checkout is down")
    await tale.types("Ada", "/incident resolve done", room)
    await tale.fast_forward(hours=25)
    assert "The post-mortem of INC-1 is due" in shown((await tale.direct_messages("Ada"))[-1])


async def test_a_medium_one_owes_nothing(tale: Story) -> None:
    """A P2 has a draft and no reminders."""
    room = await tale.declared("P2 search is slow")
    await tale.types("Ada", "/incident resolve done", room)
    assert len(await tale.files(room)) == 1
    await tale.fast_forward(hours=100)
    assert await tale.direct_messages("Ada") == []


async def test_reopening_withdraws_what_was_owed(tale: Story) -> None:
    """A reopened incident owes no post-mortem until it is resolved again."""
    room = await tale.declared("P1 checkout is down")
    await tale.types("Ada", "/incident remind off", room)
    await tale.types("Ada", "/incident resolve done", room)
    await tale.types("Ada", "/incident reopen", room)
    await tale.fast_forward(hours=100)
    assert await tale.direct_messages("Ada") == []
    await tale.types("Ada", "/incident resolve really done", room)
    await tale.fast_forward(hours=25)
    assert len(await tale.direct_messages("Ada")) == 1


async def test_a_service_asks_its_own_questions(sqlite_database: Database, clock: HandClock, tmp_path: Path) -> None:
    """The template of the service decides what the draft asks."""
    asks = "# {{ incident.id }}\n\n## Which cards failed\n\n_List the schemes._\n"
    own = templates(tmp_path, **{"postmortem/payments.md": asks})
    async with told(
        sqlite_database, clock, catalogue=[catalogue(tmp_path, payments=PAYMENTS)], templates=[own]
    ) as story:
        room = await story.declared("payments S1 cards fail")
        await story.types("Ada", "/incident resolve done", room)
        assert "## Which cards failed" in (await story.files(room))[0]


async def test_the_draft_can_be_read_before_the_end(tale: Story) -> None:
    """`/incident postmortem` shows the draft as it is at any time."""
    room = await tale.declared("P1 checkout is down")
    assert "## Root cause" in await tale.reads("Ada", "/incident postmortem", room)
