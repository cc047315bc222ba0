"""The modals of an incident: what they ask, and what is filled in when they open."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from bot.domain.catalogue.catalogue import Catalogue
from bot.domain.incidents.draft import Draft
from bot.domain.incidents.incident import WORKING, Incident
from bot.domain.incidents.postmortem import Section, mark_of
from bot.domain.text import duration
from bot.interactions import Block
from bot.views.kit import blocks as b

NEXT_UPDATES = (
    ("As the severity says", "default"),
    ("In 15 min", "15m"),
    ("In 30 min", "30m"),
    ("In 60 min", "60m"),
    ("No further one promised", "none"),
)


def declare(
    draft: Draft, catalogue: Catalogue, *, title: str = "", private: bool | None = None, impact: str = ""
) -> dict[str, Any]:
    """`metadata` remembers the message it was declared from, and whether it is a drill."""
    metadata = {"source": [draft.source_channel, draft.source_ts], "drill": draft.drill}
    services = sorted(catalogue.services.values(), key=lambda service: service.name)[:100]
    options = [b.option(service.name, service.key) for service in services]
    fields = [
        b.field(
            "title",
            "What is wrong?",
            b.text_input(title or draft.title or "", limit=250, placeholder="Checkout answers with errors"),
        ),
        b.field("service", "Service", b.select(options, draft.service.key), dispatch=len(options) > 1),
        _severity(draft),
        b.field(
            "impact",
            "Who notices, and how?",
            b.text_input(impact or draft.impact, multiline=True),
            optional=True,
            hint="Shown on the card and in every update.",
        ),
        b.field(
            "private",
            "Who may know?",
            b.checkbox(
                "Private: only people who are invited", "yes", ticked=draft.private if private is None else private
            ),
            optional=True,
        ),
    ]
    return b.modal("incident.declare", "Declare an incident", fields, submit="Declare", metadata=json.dumps(metadata))


def _severity(draft: Draft) -> Block:
    """The field's id names the service, so that another service's levels start afresh."""
    levels = draft.service.severities
    criteria = "; ".join(f"{level.key}: {', '.join(level.criteria)}" for level in levels if level.criteria)
    element = b.select([b.option(f"{level.key} {level.name}", level.key) for level in levels], draft.severity.key)
    return b.field(f"severity:{draft.service.key}", "Severity", element, hint=criteria[:2000])


def update(incident: Incident, suggestion: str = "") -> dict[str, Any]:
    """`metadata` remembers the status that was shown: left as it was, it is no wish to go back to it."""
    statuses = [b.option(status.value.capitalize(), status.value) for status in WORKING]
    waits = [b.option(text, value) for text, value in NEXT_UPDATES]
    fields = [
        b.field("text", "What is new?", b.text_input(suggestion, multiline=True, limit=2900)),
        b.field("status", "Status", b.select(statuses, incident.status.value)),
        b.field("next_update", "Next update", b.select(waits, "default")),
    ]
    return b.modal(
        "incident.update", f"Update {incident}", fields, submit="Post", metadata=f"{incident}:{incident.status}"
    )


def resolve(incident: Incident, watch: timedelta | None) -> dict[str, Any]:
    usual = duration.short(watch) if watch else "15m"
    choices = sorted({"15m", "30m", "60m", "60m" if usual == "1h" else usual}, key=duration.parse)
    options = [b.option("Do not watch", "none"), *[b.option(f"Watch {one}", one) for one in choices]]
    fields = [
        b.field("fix", "What fixed it?", b.text_input(incident.fix, multiline=True), optional=True),
        b.field(
            "impact",
            "What did customers notice?",
            b.text_input(incident.impact, multiline=True),
            optional=True,
            hint="Both go into the post-mortem draft.",
        ),
        b.field("watch", "Watch before asking whether it holds", b.select(options, "60m" if usual == "1h" else usual)),
    ]
    return b.modal("incident.resolve", f"Resolve {incident}", fields, submit="Resolve", metadata=incident.name)


def postmortem(incident: Incident, sections: Sequence[Section]) -> dict[str, Any]:
    fields = [
        b.field(
            f"section_{mark_of(one.heading)}",
            one.heading,
            b.text_input(one.body, multiline=True),
            optional=True,
        )
        for one in {one.heading: one for one in sections}.values()
        if one.is_editable
    ]
    return b.modal("postmortem.edit", f"Draft of {incident}", fields, submit="Save", metadata=incident.name)
