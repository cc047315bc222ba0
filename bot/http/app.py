"""The HTTP door: Slack's requests, health, and the API with its documentation."""

from __future__ import annotations

from fastapi import APIRouter, FastAPI, Request, Response

from bot.http import health, problems, webhooks
from bot.http.api import incidents, runs
from bot.http.door import HttpDoor, TheDoor
from bot.http.limits import BodyLimit
from bot.http.refusals import CountRefusals, Refusals

NOT_HTTP = "Slack does not reach this bot over HTTP: SLACK_SIGNING_SECRET is not set."
NOT_SLACK = (
    "Slack did not sign this within the last five minutes. If it came from Slack, check SLACK_SIGNING_SECRET and this "
    "machine's clock."
)

slack = APIRouter(include_in_schema=False)


@slack.post("/slack/events")
async def slack_events(request: Request, door: TheDoor) -> Response:
    """Commands, interactivity and events, signed by Slack."""
    if door.slack_events is None:
        return problems.problem(404, NOT_HTTP)
    answer = await door.slack_events(request)
    return problems.problem(401, NOT_SLACK) if answer.status_code == 401 else answer


def make_app(door: HttpDoor) -> FastAPI:
    app = FastAPI(
        title="Tocsin",
        summary="The Slack bot that runs incidents.",
        description="Errors are `application/problem+json` (RFC 9457). Tokens are made by `tocsin token create`.",
        redoc_url=None,
    )
    app.state.door = door
    app.state.refusals = Refusals(door.deps)
    app.add_middleware(BodyLimit)
    app.add_middleware(CountRefusals, refusals=app.state.refusals)  # outside of it: what is too large counts
    problems.install(app)
    for router in (slack, health.router, webhooks.router, incidents.router, runs.router):
        app.include_router(router)
    return app
