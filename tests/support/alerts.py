"""A monitoring system for stories: it posts to the real HTTP door, and its alerts stand on cards in Slack."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import httpx

from bot.domain.people.token import Scope
from bot.domain.text.secret import Secret
from bot.http.app import make_app
from bot.http.door import HttpDoor
from bot.http.signatures import Signatures
from bot.services.admin import tokens
from tests.support.story import Story, shown

OPS = "ops-alerts"
PAGERDUTY_SECRET = "s1gned"


class Monitoring:
    """Sends to a story's installation, and looks at what became of it."""

    def __init__(self, story: Story, api: httpx.AsyncClient) -> None:
        self.story = story
        self._api = api

    async def posts(
        self, payload: Mapping[str, Any], vendor: str = "alertmanager", *, secret: str | None = PAGERDUTY_SECRET
    ) -> None:
        """Without waiting for what follows. PagerDuty signs what it sends, with that secret if it has one."""
        body = json.dumps(payload).encode()
        headers = _signature(body, secret) if vendor == "pagerduty" and secret else {}
        answer = await self._api.post(f"/hooks/{vendor}", content=body, headers=headers)
        assert answer.status_code == 202, answer.text

    async def sends(self, *alerts: Mapping[str, Any], **more: Any) -> None:
        """One message of Alertmanager, worked to the end."""
        await self.posts({"version": "4", "status": "firing", "alerts": list(alerts), **more})
        await self.story.settle()

    async def cards(self, user: str = "U0ADA") -> list[dict[str, Any]]:
        """Every card in the alerts channel, oldest first: those of storms too."""
        found = await self.story.messages(OPS, user)
        return [one for one in found if one.get("bot_id") and not one.get("subtype") and not one.get("ephemeral")]

    async def card(self, name: str = "ALR-1") -> dict[str, Any]:
        (found,) = [one for one in await self.cards() if f"{name} " in shown(one)]
        return found

    async def words(self, name: str = "ALR-1") -> str:
        return shown(await self.card(name))


def _signature(body: bytes, secret: str) -> dict[str, str]:
    return {"X-PagerDuty-Signature": f"v1={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}"}


@asynccontextmanager
async def monitoring(story: Story) -> AsyncIterator[Monitoring]:
    secret = await tokens.create(story.deps, "monitoring", [Scope.INGEST], "U0ADA", by="test")
    signatures = Signatures(pagerduty=(Secret(PAGERDUTY_SECRET),))
    door = HttpDoor(deps=lambda: story.deps, slack_trouble=story.door.trouble, signatures=signatures)
    transport = httpx.ASGITransport(app=make_app(door), raise_app_exceptions=False)
    headers = {"Authorization": f"Bearer {secret.reveal()}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://tocsin.invalid", headers=headers) as api:
        yield Monitoring(story, api)


def firing(
    name: str = "Slow", *, since: datetime | None = None, severity: str = "high", **labels: str
) -> dict[str, Any]:
    """An alert as Alertmanager sends it."""
    found: dict[str, Any] = {"status": "firing", "labels": {"alertname": name, "severity": severity, **labels}}
    return {**found, "startsAt": since.isoformat()} if since else found


def over(alert: Mapping[str, Any], at: datetime) -> dict[str, Any]:
    """The end of it."""
    return {**alert, "status": "resolved", "endsAt": at.isoformat()}


def elements(message: Mapping[str, Any]) -> Sequence[str]:
    """The action ids of what can be pressed or chosen, in order; accessories of sections too."""
    blocks: Sequence[Any] = message.get("blocks") or ()
    inner = [one for block in blocks for one in [*block.get("elements", ()), block.get("accessory") or {}]]
    return [one["action_id"] for one in inner if "action_id" in one]
