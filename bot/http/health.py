"""`/healthz`: the process lives. `/readyz`: it is fit for work, and what an operator should know."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response

from bot.http.door import TheDeps, TheDoor
from bot.services.admin import readiness

router = APIRouter(tags=["health"])


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """The process answers. It says nothing about anything else."""
    return {"status": "ok"}


@router.get("/readyz", responses={503: {"description": "Something it cannot work without is missing"}})
async def readyz(deps: TheDeps, door: TheDoor, response: Response) -> dict[str, Any]:
    """Database, schema, Slack's connection and the worker. 503 only for these; `notes` are sentences at 200."""
    found = await readiness.look(deps, door.slack_trouble())
    response.status_code = 200 if found.is_ready else 503
    checks = {name: trouble or "ok" for name, trouble in found.checks.items()}
    return {"status": "ok" if found.is_ready else "unavailable", "checks": checks, "notes": list(found.notes)}
