"""A storm of alerts over HTTP at a real `tocsin serve` that is killed again and again: what it answered 2xx is kept."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
from sqlalchemy import func, select

from bot.domain.people.token import Scope
from bot.services.admin import tokens
from bot.simulator.workspace.state import Message
from bot.store import audit
from bot.store.tables import alerts as alerts_tables
from tests.support.alerts import OPS, firing, over
from tests.support.backends import free_port
from tests.support.clock import START
from tests.support.crash import House, Moment, NewDatabase, end, housed
from tests.support.story import shown

MOST_MESSAGES = 12  # in the channel, for each storm
SENDERS = 4
ANSWER_SECONDS = 10.0
AGAIN_SECONDS = 0.2  # as Alertmanager waits, but shorter


@dataclass(frozen=True)
class Storm:
    """`groups` names with `hosts` alerts each, `together` in a message; so many kills amid it, at seeded moments."""

    seed: int
    groups: int
    hosts: int
    together: int
    kills: int
    victims: Sequence[str] = ("serve",)

    def messages(self) -> list[list[dict[str, Any]]]:
        """Alertmanager's, in any order: an alert is in one of them."""
        dice = random.Random(self.seed)  # noqa: S311  a seed makes it repeatable
        each = [
            firing(f"Rule{group}", since=START, severity=dice.choice(["warning", "high"]), host=f"h{host}")
            for group in range(self.groups)
            for host in range(self.hosts)
        ]
        alerts = [{**alert, "fingerprint": f"{number:016x}"} for number, alert in enumerate(each)]
        dice.shuffle(alerts)
        return [alerts[start : start + self.together] for start in range(0, len(alerts), self.together)]


@dataclass
class Sent:
    """What was answered 2xx: by fingerprint, and the state that was told last."""

    alerts: dict[str, dict[str, Any]] = field(default_factory=dict)
    repeated: int = 0  # messages that were sent again, since nobody had answered


@dataclass(frozen=True)
class Outcome:
    storm: Storm
    figures: Counter[str]
    flaws: list[str]

    def __str__(self) -> str:
        said = ", ".join(f"{count} {name}" for name, count in sorted(self.figures.items()))
        return f"seed {self.storm.seed}: {said}; {len(self.flaws)} flaws"


async def weathered(new_database: NewDatabase, storm: Storm) -> Outcome:
    port = free_port()
    async with housed(new_database(), settings={"TOCSIN_HTTP_PORT": str(port)}) as house:
        secret = await tokens.create(house, "monitoring", [Scope.INGEST], "U0ADA", by="test")
        headers = {"Authorization": f"Bearer {secret.reveal()}"}
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=ANSWER_SECONDS
        ) as client:
            sent = await _Weather(house, storm, client).blow()
        await house.is_up()
        await house.quiet()
        return Outcome(storm, await _figures(house, sent), await _flaws(house, storm, sent))


class _Weather:
    def __init__(self, house: House, storm: Storm, client: httpx.AsyncClient) -> None:
        self._house, self._storm, self._client = house, storm, client
        self._dice = random.Random(storm.seed + 1)  # noqa: S311  a seed makes it repeatable
        self._waiting = storm.messages()
        self._sent = Sent()

    async def blow(self) -> Sent:
        """All messages, while somebody kills; then a third of the alerts end, while nobody does."""
        killing = asyncio.create_task(self._kill())
        try:
            await asyncio.gather(*(self._sender() for _ in range(SENDERS)))
            await killing
        finally:
            await end(killing)
        await self._house.is_up()
        await self._end_some()
        return self._sent

    async def _sender(self) -> None:
        while self._waiting:
            message = self._waiting.pop()
            await self._post(message)
            await asyncio.sleep(self._dice.uniform(0, 2 * self._pace))

    @property
    def _pace(self) -> float:
        """As long as kills are to come the storm goes on: it lasts a few seconds for each of them."""
        left = max(self._storm.kills - self._house.deaths, 0)
        return left * 3.0 * SENDERS / max(len(self._waiting), 1) if left else 0.0

    async def _post(self, alerts: Sequence[dict[str, Any]]) -> None:
        """Again and again until it is answered 2xx, as a sender that is told 503 or nothing."""
        while not await self._is_taken(alerts):
            self._sent.repeated += 1
            await asyncio.sleep(AGAIN_SECONDS)
        self._sent.alerts.update({alert["fingerprint"]: dict(alert) for alert in alerts})

    async def _is_taken(self, alerts: Sequence[dict[str, Any]]) -> bool:
        body = {"version": "4", "status": "firing", "alerts": list(alerts)}
        try:
            answer = await self._client.post("/hooks/alertmanager", json=body)
        except httpx.HTTPError:
            return False
        assert answer.status_code in (202, 503), answer.text
        return answer.status_code == 202

    async def _kill(self) -> None:
        """At moments of the bot's calls to Slack, and at moments of the messages that come in, in turns."""
        for number in range(self._storm.kills):
            await self._house.is_up()
            victim = self._dice.choice(list(self._storm.victims))
            deaths = self._house.deaths
            later = self._dice.uniform(0, 0.05)
            if number % 2:
                self._house.wire.arm(Moment(self._dice.randint(1, 4), later, victim))
            else:
                await self._until_taken(self._dice.randint(1, 3))
                await asyncio.sleep(later)
                self._house.children[victim].kill()
            await self._until_dead(deaths)

    async def _until_taken(self, more: int) -> None:
        aim = len(self._sent.alerts) + more
        while self._waiting and len(self._sent.alerts) < aim:  # noqa: ASYNC110 - real processes have real time
            await asyncio.sleep(0.005)

    async def _until_dead(self, deaths: int) -> None:
        for _ in range(200):
            if self._house.deaths > deaths:
                return
            await asyncio.sleep(0.02)
        self._house.wire.spring()  # the bot says nothing at the moment
        while self._house.deaths == deaths:  # noqa: ASYNC110 - the same
            await asyncio.sleep(0.02)

    async def _end_some(self) -> None:
        ending = [alert for number, alert in enumerate(self._sent.alerts.values()) if number % 3 == 0]
        ended = [{**over(alert, START), "endsAt": "2026-11-20T09:30:00Z"} for alert in ending]
        for start in range(0, len(ended), self._storm.together):
            await self._post(ended[start : start + self._storm.together])


# --- what is there in the end -----------------------------------------------------------------------------------------


async def _figures(house: House, sent: Sent) -> Counter[str]:
    async with house.database.reading() as tx:
        storms = await tx.scalar(select(func.count()).select_from(alerts_tables.alert_storms)) or 0
        groups = await tx.scalar(select(func.count()).select_from(alerts_tables.alert_groups)) or 0
    return Counter(
        alerts=len(sent.alerts), repeated=sent.repeated, kills=house.deaths, storms=storms, groups=groups,
        messages=len(_posted(house)),
    )  # fmt: skip


def _posted(house: House) -> list[Message]:
    """What the bot put into the alerts channel, threads left out."""
    workspace = house.simulator.workspace
    found = workspace.channels[workspace.channel_names[OPS]].messages.values()
    return [one for one in found if one.by_app and not one.is_reply and not one.ephemeral_to]


async def _flaws(house: House, storm: Storm, sent: Sent) -> list[str]:
    violations = [str(one["violation"]) for one in house.simulator.journal.since() if "violation" in one]
    async with house.database.reading() as tx:
        broken = await audit.verify(tx)
        rows = list(await tx.execute(select(*_ALERT).select_from(_JOINED)))
        groups = list(await tx.execute(select(*alerts_tables.alert_groups.c)))
        storms = list(await tx.execute(select(*alerts_tables.alert_storms.c)))
    return [
        *violations,
        *broken,
        *await house.waiting(),
        *_of_alerts(rows, sent),
        *_of_groups(rows, groups, storm),
        *_of_messages(house, groups, storms),
    ]


_ALERT = (
    *(alerts_tables.alerts.c.fingerprint, alerts_tables.alerts.c.status, alerts_tables.alerts.c.alert_group),
    alerts_tables.alert_groups.c.name.label("group_name"),
)
_JOINED = alerts_tables.alerts.outerjoin(
    alerts_tables.alert_groups, alerts_tables.alert_groups.c.id == alerts_tables.alerts.c.alert_group
)


def _of_alerts(rows: Sequence[Any], sent: Sent) -> Iterable[str]:
    """Each that was answered 2xx is there once, in the group of its name, as it was told last."""
    there = Counter(row.fingerprint for row in rows)
    yield from (f"{one} was answered 2xx and is lost" for one in sent.alerts if not there[one])
    yield from (f"{one} is there {count} times" for one, count in there.items() if count > 1)
    for row in rows:
        told = sent.alerts[row.fingerprint]
        if row.group_name != told["labels"]["alertname"]:
            yield f"{row.fingerprint}, {told['labels']['alertname']}, is in the group {row.group_name}"
        if row.status != told["status"]:
            yield f"{row.fingerprint} is {row.status} and not {told['status']}"


def _of_groups(rows: Sequence[Any], groups: Sequence[Any], storm: Storm) -> Iterable[str]:
    names = Counter(one.name for one in groups)
    yield from (f"{name} has {count} groups" for name, count in names.items() if count > 1)
    if len(names) != storm.groups:
        yield f"{len(names)} groups and not {storm.groups}"
    inside, fires = (
        Counter(row.alert_group for row in rows),
        Counter(row.alert_group for row in rows if row.status == "firing"),
    )
    for one in groups:
        if (one.total, one.firing) != (inside[one.id], fires[one.id]):
            yield f"{one.name} counts {one.firing} of {one.total}, there are {fires[one.id]} of {inside[one.id]}"


def _of_messages(house: House, groups: Sequence[Any], storms: Sequence[Any]) -> Iterable[str]:
    """Few; each of them is somebody's card, and says how far the run is."""
    posted = {one.ts: shown({"blocks": one.blocks, "text": one.text}) for one in _posted(house)}
    if len(posted) > MOST_MESSAGES * max(1, len(storms)):
        yield f"{len(posted)} messages for {len(storms)} storms"
    cards = {one.ts: one for one in groups if one.ts}  # also of one whose card was on its way when the storm came
    shared = {one.ts: one for one in storms}
    yield from (f"nobody's message: {text!r:.80}" for ts, text in posted.items() if ts not in {**cards, **shared})
    yield from (f"no message of {one}" for ts, one in {**cards, **shared}.items() if ts not in posted)
    yield from (f"{one.name} is shown nowhere" for one in groups if not one.ts and not one.storm)
    for ts, one in cards.items():
        if (wrong := _wrong_card(posted.get(ts, ""), one)) is not None:
            yield wrong
    for ts, one in shared.items():
        if (wrong := _wrong_storm(posted.get(ts, ""), [each for each in groups if each.storm == one.id])) is not None:
            yield wrong


def _wrong_card(text: str, group: Any) -> str | None:
    expected = f"{group.firing} of {group.total} alerts" if group.firing < group.total else f"{group.total} alert"
    right = expected in text if group.firing else text.startswith(f"✅ ~ALR-{group.id} ")
    return None if right else f"the card of {group.name} does not say {expected}: {text!r:.200}"


def _wrong_storm(text: str, groups: Sequence[Any]) -> str | None:
    opened = [one for one in groups if one.status == "firing"]
    expected = f"{len(groups)} groups, {len(opened)} of them open with {sum(one.firing for one in opened)} alerts"
    right = expected in text if opened else "~A storm of alerts~" in text
    return None if right else f"the storm's card does not say {expected}: {text!r:.200}"


def check(outcome: Outcome) -> None:
    assert not outcome.flaws, "\n".join([str(outcome), *outcome.flaws])
