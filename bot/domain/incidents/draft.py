"""What a person wants to declare, read from the words after `/incident declare`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from bot.domain.catalogue.catalogue import Catalogue
from bot.domain.catalogue.service import Service
from bot.domain.catalogue.severity import Severity
from bot.domain.errors import Unclear

QUOTED = re.compile(r'^(?:"(?P<straight>.*)"|[“„](?P<curly>.*)[”“])$', re.DOTALL)
LIKE_A_SEVERITY = re.compile(r"(?:p|sev-?)\d", re.IGNORECASE)  # p95 is a latency, not a severity
TITLE_LIMIT = 4000


@dataclass(frozen=True)
class Draft:
    """`title` None: the words held none, so the modal asks."""

    title: str | None
    service: Service
    severity: Severity
    private: bool = False
    drill: bool = False
    impact: str = ""
    source_channel: str | None = None
    source_ts: str | None = None

    @classmethod
    def read(cls, text: str, catalogue: Catalogue) -> Draft:
        """Leading words in any order: private, drill, a severity, a service. The rest is the title.

        Raises Unclear for a word that looks like a severity and is none.
        """
        words = _Leading.take(readable(text), catalogue)
        service = catalogue.service(words.service or catalogue.default_service)
        severity = service.severity(words.severity or service.default_severity)
        return cls(words.title or None, service, severity, private=words.private, drill=words.drill)

    @classmethod
    def from_fields(cls, values: Mapping[str, object], catalogue: Catalogue) -> Draft:
        """As in the modal and the API; absent fields take the defaults. Raises Unclear."""
        service = catalogue.service(str(values.get("service") or catalogue.default_service))
        severity = service.severity(str(values.get("severity") or service.default_severity))
        title = clean_title(readable(str(values.get("title") or "")))
        return cls(
            title or None,
            service,
            severity,
            private=bool(values.get("private")),
            drill=bool(values.get("drill")),
            impact=readable(str(values.get("impact") or "")).strip()[:TITLE_LIMIT],
        )


@dataclass
class _Leading:
    """Each kind is taken once."""

    title: str
    severity: str | None = None
    service: str | None = None
    private: bool = False
    drill: bool = False

    @classmethod
    def take(cls, text: str, catalogue: Catalogue) -> _Leading:
        leading = cls(title=text.strip())
        while leading.title and leading._take_one(catalogue):
            pass
        leading.title = clean_title(leading.title)
        return leading

    def _take_one(self, catalogue: Catalogue) -> bool:
        word, _, rest = self.title.partition(" ")
        if not self._keep(word.casefold(), catalogue):
            return False
        self.title = rest.strip()
        return True

    def _keep(self, word: str, catalogue: Catalogue) -> bool:
        if word in ("private", "drill") and not getattr(self, word):
            setattr(self, word, True)
        elif self.severity is None and _names_a_severity(word, catalogue):
            self.severity = word
        elif self.service is None and word in catalogue.services:
            self.service = word
        else:
            self._refuse_a_mistyped_severity(word, catalogue)
            return False
        return True

    def _refuse_a_mistyped_severity(self, word: str, catalogue: Catalogue) -> None:
        if self.severity is None and LIKE_A_SEVERITY.fullmatch(word):
            catalogue.service(self.service or catalogue.default_service).severity(word)


def _names_a_severity(word: str, catalogue: Catalogue) -> bool:
    return any(service.find_severity(word) for service in catalogue.services.values())


def clean_title(text: str) -> str:
    line = " ".join(text.split())
    quoted = QUOTED.match(line)
    if quoted:
        line = (quoted["straight"] or quoted["curly"] or "").strip()
    if len(line) > TITLE_LIMIT:
        raise Unclear(f"That title has {len(line)} characters; {TITLE_LIMIT} fit. Shorten it and declare again.")
    return line


def readable(text: str) -> str:
    """Slack's entities as a person reads them: `<@U1|ada>` is @ada, `<#C1|ops>` is #ops, a link is its address,
    and a bare host or address that Slack made a link of is what was typed.

    Control characters but line ends and tabs are left out: no database keeps a NUL.
    """
    text = re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f]", "", text)
    text = re.sub(r"<([@#])([A-Z0-9]+)(?:\|([^<>]*))?>", lambda m: f"{m[1]}{m[3] or m[2]}", text)
    text = re.sub(r"<!(?:subteam\^[A-Z0-9]+\|@?)?(channel|here|everyone|[^<>|]+)(?:\|[^<>]*)?>", r"@\1", text)
    return re.sub(r"<((?:https?|mailto):[^<>|]+)(?:\|([^<>]*))?>", _typed, text)


def _typed(link: re.Match[str]) -> str:
    address, label = link[1], link[2] or ""
    made_by_slack = address.removeprefix("http://").removeprefix("mailto:").rstrip("/") == label.rstrip("/")
    return label if label and made_by_slack else address
