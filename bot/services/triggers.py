"""Runbooks that alerts trigger: suggested, asked for, or run."""

from __future__ import annotations

from bot.deps import Deps
from bot.domain.alert_group import AlertGroup
from bot.ports import Tx


async def fire(deps: Deps, tx: Tx, group: AlertGroup) -> None:
    """Whatever the runbooks' triggers say of its alerts, once for each group and runbook."""
