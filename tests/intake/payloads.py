"""The payloads that tests read: samples as vendors send them, and shapes written after their documents."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bot.domain.alerts.alert import Intake
from bot.domain.catalogue.catalogue import GenericSource
from bot.intake import VENDORS, generic

HERE = Path(__file__).parent
NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
NOT_A_PAYLOAD = "signature_vectors"


@dataclass(frozen=True)
class Payload:
    """One payload; a published one names its source."""

    vendor: str
    name: str
    body: dict[str, Any]
    source: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    mapping: GenericSource | None = None
    mapping_name: str = ""

    def __str__(self) -> str:
        return f"{self.vendor}: {self.name}"

    def read(self, body: dict[str, Any] | None = None) -> Intake:
        """Read as its vendor's, with another body if one is given."""
        body = self.body if body is None else body
        if self.mapping is not None:
            return generic.read(body, received_at=NOW, mapping=self.mapping, source=self.mapping_name)
        return VENDORS[self.vendor](body, received_at=NOW, headers=self.headers)

    def copy(self) -> dict[str, Any]:
        return copy.deepcopy(self.body)


def samples(vendor: str = "*") -> list[Payload]:
    paths = sorted((HERE / "samples").glob(f"{vendor}/*.json"))
    return [Payload(one.parent.name, one.stem, _json(one)) for one in paths if NOT_A_PAYLOAD not in one.name]


def published(vendor: str = "*") -> list[Payload]:
    return [payload for path in sorted((HERE / "published").glob(f"{vendor}.json")) for payload in _published(path)]


def every() -> list[Payload]:
    return samples() + published()


def one(vendor: str, beginning: str) -> Payload:
    """The payload of that vendor whose name begins so."""
    return next(each for each in samples(vendor) + published(vendor) if each.name.startswith(beginning))


def _published(path: Path) -> Iterator[Payload]:
    for entry in _json(path):
        mapping = entry.get("mapping")
        shape = GenericSource(**{**mapping, "firing": tuple(mapping.get("firing", ()))}) if mapping else None
        headers, named = entry.get("headers", {}), entry.get("mapping_name", "")
        yield Payload(path.stem, entry["name"], entry["payload"], entry["source"], headers, shape, named)


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
