from __future__ import annotations

from bot.deps import Deps


def permalink(deps: Deps, channel: str | None, ts: str | None) -> str | None:
    """None where Slack has not said where it is."""
    if not channel or not ts or not deps.workspace.url:
        return None
    return f"{deps.workspace.url.rstrip('/')}/archives/{channel}/p{ts.replace('.', '')}"
