"""What monitoring sends us: one file per vendor, payload in, alerts out. Pure: no clock, no network, no database.

Nothing here refuses a message. What is odd is said in `noticed`, and an alert that is not understood is still one.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, Protocol

from bot.domain.alerts.alert import NOTHING, Intake
from bot.intake import alertmanager, cloudwatch, datadog, generic, github, grafana, opsgenie, pagerduty, sentry


class Read(Protocol):
    """`headers` have names in lower case; where they are absent, the payload itself says what it is."""

    def __call__(
        self, payload: Mapping[str, Any], *, received_at: datetime, headers: Mapping[str, str] = NOTHING
    ) -> Intake: ...


VENDORS: Mapping[str, Read] = MappingProxyType(
    {
        alertmanager.SOURCE: alertmanager.read,
        grafana.SOURCE: grafana.read,
        pagerduty.SOURCE: pagerduty.read,
        datadog.SOURCE: datadog.read,
        sentry.SOURCE: sentry.read,
        cloudwatch.SOURCE: cloudwatch.read,
        opsgenie.SOURCE: opsgenie.read,
        github.SOURCE: github.read,
        generic.SOURCE: generic.read,
    }
)
