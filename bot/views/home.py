"""The Home tab as blocks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bot.asks import Block
from bot.domain.incident import Incident
from bot.views import blocks as b
from bot.views import incident as view
from bot.views.mrkdwn import clock, literal, moment


def home(open_ones: Sequence[Incident], leading: Sequence[Incident], owed: Sequence[Incident]) -> dict[str, Any]:
    """A view for views.publish."""
    parts = [
        b.header("What waits for you"),
        *(_leading(leading) + _owed(owed) or [b.section("Nothing waits for you.")]),
        b.divider(),
        *view.overview(open_ones),
    ]
    return {"type": "home", "blocks": parts[:100]}


def _leading(found: Sequence[Incident]) -> list[Block]:
    return [
        b.section(
            f"*{one}* {literal(one.short_title)}: {_promised(one)}",
            b.button("Post update", "incident.update", one.name),
        )
        for one in found[:15]
    ]


def _promised(incident: Incident) -> str:
    if incident.next_update_at:
        return f"you lead it; the next update is promised by {clock(incident.next_update_at)}."
    return "you lead it; no update is promised."


def _owed(found: Sequence[Incident]) -> list[Block]:
    return [
        b.section(
            f"*{one}* {literal(one.short_title)}: the post-mortem is due {moment(one.postmortem_due_at)}.",
            b.button("Edit draft", "postmortem.edit", one.name),
        )
        for one in found[:15]
        if one.postmortem_due_at
    ]
