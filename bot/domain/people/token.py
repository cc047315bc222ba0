"""API tokens: what each may do, and for whom it acts. The secret itself is shown once and kept only as a digest."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from bot.domain.errors import Unclear

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", re.ASCII)
OWNER = re.compile(r"[UW][A-Z0-9]{1,31}", re.ASCII)


class Scope(StrEnum):
    READ = "read"
    WRITE = "write"
    EXECUTE = "execute"
    INGEST = "ingest"


@dataclass(frozen=True)
class Token:
    """One token. `owner` is the Slack user who acted, whenever the token is used."""

    name: str
    scopes: tuple[Scope, ...]
    owner: str
    created_at: datetime
    used_at: datetime | None = None
    revoked_at: datetime | None = None


def name_from(text: str) -> str:
    """Raises Unclear."""
    if not NAME.fullmatch(text):
        raise Unclear("A token's name has 1 to 64 of the characters a-z, A-Z, 0-9, “_”, “-” and “.”.")
    return text


def owner_from(text: str) -> str:
    """Raises Unclear."""
    if not OWNER.fullmatch(text):
        raise Unclear(f"“{text}” is not a Slack user id: copy it from the person's profile, it looks like U024BE7LH.")
    return text
