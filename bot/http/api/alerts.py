"""Alerts and the health of the alerting as programs read them, in `GET /api/sre/incidents`."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from bot.domain.alerts import noisy_rules as rules
from bot.domain.alerts.noisy_rules import Rule
from bot.services.alerts.noisy_rules import NoisyRules
from bot.store.alerts.listing import RecentAlert
from bot.views import noisy_rules as view

MOST_RULES = 100


class AlertShape(BaseModel):
    """A single alert. `id` is its group: it has the card, and is what is acknowledged. Times are its sender's."""

    fingerprint: str = Field(examples=["a1b2c3d4e5f60718"])
    status: str = Field(examples=["firing", "resolved"])
    labels: dict[str, str] = Field(examples=[{"alertname": "APIDown", "severity": "critical"}])
    starts_at: datetime | None
    ends_at: datetime | None
    id: str = Field(examples=["ALR-42"])
    name: str = Field(examples=["APIDown"])
    severity: str = Field(examples=["P0"])
    service: str = Field(examples=["default"])
    source: str = Field(examples=["alertmanager"])

    @classmethod
    def of(cls, alert: RecentAlert) -> AlertShape:
        return cls.model_validate({**vars(alert), "id": f"ALR-{alert.group}"})


class RuleShape(BaseModel):
    """What the alerts of one name in one service came to, as groups."""

    model_config = ConfigDict(from_attributes=True)

    service: str = Field(examples=["default"])
    name: str = Field(examples=["APIDown"])
    fired: int = Field(description="Groups that opened.", examples=[12])
    told: int = Field(description="Of them, those that people saw: neither only logged nor silenced.", examples=[12])
    alerts: int = Field(description="Single alerts in them.", examples=[40])
    acted_on: int = Field(description="Acknowledged, resolved, declared or a run started, by a person.", examples=[1])
    returned: int = Field(description="Fired again within 15 minutes of its end.", examples=[0])
    flapping: bool = Field(validation_alias="is_flapping")
    noisy: bool = Field(validation_alias="is_noisy")


class NoisyShape(BaseModel):
    """A rule that bothers people for nothing, and what one could do about it."""

    service: str
    name: str
    habit: str = Field(examples=["flaps", "never_acted_on", "seldom_acted_on"])
    sentence: str


class NoisyRulesShape(BaseModel):
    """The health of the alerting. `refused_messages`: vendor -> reason -> how many, in the same days."""

    window_days: int = Field(examples=[7])
    rules: list[RuleShape] = Field(description=f"At most {MOST_RULES}, those that fired most often first.")
    noisy: list[NoisyShape] = Field(description="The worst first.")
    refused_messages: dict[str, dict[str, int]] = Field(examples=[{"alertmanager": {"bad_token": 3}}])


def noisy_rules_shape(found: NoisyRules) -> NoisyRulesShape:
    return NoisyRulesShape(
        window_days=rules.WINDOW.days,
        rules=[RuleShape.model_validate(rule) for rule in found.rules[:MOST_RULES]],
        noisy=[_noisy(rule) for rule in found.noisy[:MOST_RULES]],
        refused_messages=found.refused,
    )


def _noisy(rule: Rule) -> NoisyShape:
    return NoisyShape(service=rule.service, name=rule.name, habit=rule.habit or "", sentence=view.sentence(rule))
