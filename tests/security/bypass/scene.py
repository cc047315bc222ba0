"""A shop whose approvals somebody tries to get round, through the doors alone: clicks, signed requests, the API."""

from __future__ import annotations

import copy
import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
from slack_sdk.signature import SignatureVerifier
from sqlalchemy import select

from bot.catalogue.reload import CatalogueWatcher
from bot.domain.people.token import Scope
from bot.domain.text.secret import Secret
from bot.http.app import make_app
from bot.http.door import HttpDoor
from bot.integrations.slack import open_session
from bot.ports import Database
from bot.services.admin import tokens
from bot.simulator.interactivity import payloads
from bot.simulator.workspace.state import Message
from bot.slack.app import SlackDoor
from bot.store.tables.audit import audit_log
from commands import LISTENERS
from tests.support.clock import HandClock
from tests.support.runbooks import ORG, RESTART, SERVICE, Target, opened_shop
from tests.support.story import Story, shown

OPS, OPS_ID = "ops-alerts", "C0OPSALERTS"
APPROVE = "approval.approve"
TWO = RESTART.replace("quorum: 1", "quorum: 2")
QUICK = {"/look": 1, "/restart": 1, "/health": 1}


@dataclass(frozen=True)
class Refusal:
    """A line of the audit log about something that was not let through."""

    actor: str
    action: str
    subject: str
    detail: Mapping[str, Any]


class Scene:
    """The workspace over Socket Mode, a second replica over signed HTTP with the API, and a target that counts."""

    def __init__(self, story: Story, there: Target, door: SlackDoor, http: httpx.AsyncClient, folder: Path) -> None:
        self.story = story
        self.there = there
        self.http = http
        self._door = door
        self._folder = folder

    # --- what there is ---

    async def asked(self, words: str = "restart", user: str = "Ada", run: str = "RUN-1") -> dict[str, Any]:
        """A run that waits for approval; its question."""
        await self.story.types(user, f"/runbook run {words}", OPS)
        return await self.question(run)

    async def question(self, run: str = "RUN-1", action: str = APPROVE) -> dict[str, Any]:
        return await self.story.asked(run, action, OPS)

    async def approved(self, user: str = "Ben", run: str = "RUN-1") -> None:
        await self.story.clicks(user, OPS, await self.question(run), APPROVE)

    async def words(self, run: str = "RUN-1") -> str:
        return shown(await self.story.live(run, OPS))

    async def refusals(self, actor: str) -> list[Refusal]:
        """What the audit log says was refused to this person, oldest first."""
        async with self.story.deps.database.reading() as tx:
            rows = await tx.execute(select(audit_log).where(audit_log.c.actor == actor).order_by(audit_log.c.id))
            found = [Refusal(row.actor, row.action, row.subject, row.detail) for row in rows]
        return [one for one in found if one.action.endswith(".refused")]

    async def is_refused(self, actor: str, subject: str = "RUN-1", *, because: str = "", times: int = 1) -> None:
        """Nothing was done, the run is where it was, and the audit log names who tried, and why it was refused."""
        assert not self.there.counts, self.there.counts
        assert "waits for approval" in await self.words()
        await self.is_audited(actor, subject, because=because, times=times)

    async def is_audited(self, actor: str, subject: str = "RUN-1", *, because: str = "", times: int = 1) -> None:
        found = [one for one in await self.refusals(actor) if one.subject == subject]
        assert len(found) == times, found
        assert because in found[-1].detail["why"], found[-1].detail

    # --- hand-made requests, signed as Slack signs ---

    async def posts(
        self, body: str, *, age_seconds: int = 0, secret: str = "", headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        """This body, signed; whatever it sets going is over afterwards."""
        given = headers or self.signature(body, age_seconds=age_seconds, secret=secret)
        typed = {"content-type": "application/x-www-form-urlencoded", **given}
        answer = await self.http.post("/slack/events", content=body.encode(), headers=typed)
        await self._door.quiet()
        await self.story.settle()
        return answer

    def signature(self, body: str, *, age_seconds: int = 0, secret: str = "") -> dict[str, str]:
        stamp = str(int(time.time()) - age_seconds)
        verifier = SignatureVerifier(secret or self.story.simulator.signing_secret)
        signed = verifier.generate_signature(timestamp=stamp, body=body) or ""
        return {"x-slack-request-timestamp": stamp, "x-slack-signature": signed}

    def click(self, user: str, message: Mapping[str, Any], action: str, **forged: Any) -> dict[str, Any]:
        """The payload of that person's click; `value`, `channel`, `ts`, `blocks` as forged."""
        workspace = self.story.simulator.workspace
        channel = workspace.channels[OPS_ID]
        stored = channel.messages[message["ts"]]
        value = forged.get("value", _value(stored, action))
        pressed = {"type": "button", "action_id": action, "block_id": "b", "value": value}
        made = payloads.message_click(workspace, workspace.people[user], channel, stored, pressed, {})
        return _forged(copy.deepcopy(made), forged)

    async def clicks(self, user: str, message: Mapping[str, Any], action: str, **forged: Any) -> httpx.Response:
        """That click over signed HTTP."""
        return await self.posts(form(self.click(user, message, action, **forged)))

    def submission(self, user: str, view: Mapping[str, Any], **values: str) -> dict[str, Any]:
        """The payload of a form with these texts in it, whatever the form allows."""
        person = self.story.simulator.workspace.people[user]
        state = {name: {"value": {"type": "plain_text_input", "value": value}} for name, value in values.items()}
        return {
            "type": "view_submission",
            "team": {"id": "T0SIM", "domain": "sim"},
            "user": {"id": person.id, "username": person.name, "team_id": person.team_id},
            "trigger_id": self.story.simulator.workspace.new_trigger(person.id),
            "view": {
                "id": f"V{time.monotonic_ns()}",
                "hash": "1.2",
                "type": "modal",
                "state": {"values": state},
                **view,
            },
        }

    async def submits(self, user: str, view: Mapping[str, Any], **values: str) -> httpx.Response:
        return await self.posts(form(self.submission(user, view, **values)))

    # --- the rest of the world ---

    async def token(self, owner: str, *scopes: Scope) -> dict[str, str]:
        """Headers of a new token."""
        made = await tokens.create(self.story.deps, f"{owner.lower()}-token", scopes or tuple(Scope), owner, by="test")
        return {"Authorization": f"Bearer {made.reveal()}"}

    async def executes(self, headers: Mapping[str, str], runbook: str = "restart", **body: Any) -> httpx.Response:
        answer = await self.http.post(f"/api/sre/runbooks/{runbook}/execute", headers=headers, json=body)
        await self.story.settle()
        return answer

    async def rewrites(self, name: str, before: str, after: str) -> None:
        """An operator edits a file of the catalogue, and the bot takes the edit over."""
        path = self._folder / "catalogue" / name
        text = path.read_text()
        assert before in text
        path.write_text(text.replace(before, after))
        assert not await CatalogueWatcher(
            [path.parents[len(Path(name).parts) - 1]], [], self.story.deps.current_catalogue
        ).look()


def _value(message: Message, action: str) -> str:
    found = [one for block in message.blocks for one in block.get("elements", ()) if one.get("action_id") == action]
    return str(found[0]["value"]) if found else ""


def _forged(made: dict[str, Any], forged: Mapping[str, Any]) -> dict[str, Any]:
    if "channel" in forged:
        made["channel"]["id"] = made["container"]["channel_id"] = forged["channel"]
    if "ts" in forged:
        made["container"]["message_ts"] = made["message"]["ts"] = forged["ts"]
    if "blocks" in forged:
        made["message"]["blocks"] = forged["blocks"]
        made["message"]["edited"] = {"user": made["user"]["id"], "ts": made["message"]["ts"]}
    if forged.get("ephemeral"):
        made["container"]["is_ephemeral"] = True
        del made["message"]
    return made


def form(payload: Mapping[str, Any]) -> str:
    """As Slack posts an interaction."""
    return urlencode({"payload": json.dumps(payload)})


@asynccontextmanager
async def opened(
    database: Database,
    clock: HandClock,
    folder: Path,
    *,
    org: str = ORG,
    service: str = SERVICE,
    config: Mapping[str, Any] | None = None,
    runbooks: Mapping[str, str] | None = None,
) -> AsyncIterator[Scene]:
    """The shop with these runbooks, or with `restart` alone."""
    texts: dict[str, Any] = dict(runbooks or {"restart": RESTART})
    async with AsyncExitStack() as stack:
        made = opened_shop(database, clock, folder, org=org, service=service, config=config, **texts)
        story, there = await stack.enter_async_context(made)
        session = await stack.enter_async_context(open_session(10))
        secret = Secret(story.simulator.signing_secret)
        door = SlackDoor(
            LISTENERS, story.deps, session=session, base_url=story.simulator.api_url, signing_secret=secret
        )
        stack.push_async_callback(door.stop)
        await door.start()
        await door._keepers.quiet()  # it has read who is who, and says nothing later about people of before
        app = make_app(HttpDoor(lambda: story.deps, story.door.trouble, door.http_handler))
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        http = await stack.enter_async_context(httpx.AsyncClient(transport=transport, base_url="http://tocsin.invalid"))
        yield Scene(story, there, door, http, folder)
