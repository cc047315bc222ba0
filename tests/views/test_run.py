"""Plans as they are shown to the people who approve them."""

from __future__ import annotations

from bot.domain.catalogue.runbook import Effect, Kind
from bot.domain.runs.plan import PlannedStep
from bot.views import run as view


def test_a_plan_shows_what_is_not_printed() -> None:
    """A label that turns the direction of writing, or hides a letter, makes no plan look like another one."""
    host = "shop-1\u202e2-pohs\u200b"
    arguments = {"method": "POST", "json": {"host": host}}
    step = PlannedStep("go", 1, Kind.HTTP, Effect.ONCE, f"Restart {host}", f"POST https://{host}", arguments)
    head, line = view.plan_lines([step])
    assert head.count("shop-1\\u202e2-pohs\\u200b") == 2
    assert "host: shop-1\\u202e2-pohs\\u200b" in line
