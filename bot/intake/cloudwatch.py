"""CloudWatch alarms through Amazon SNS, the same without SNS around them, and alarm events from EventBridge.

https://docs.aws.amazon.com/sns/latest/dg/http-notification-json.html
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch-and-eventbridge.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote

from bot.domain.alerts.alert import NOTHING, Alert, Intake, Status, SubscriptionChange, SubscriptionRequest
from bot.intake.building import Draft, alert, not_understood, whole
from bot.intake.proof import is_sns
from bot.intake.reading import LONGEST_KEY, LONGEST_NAME, Item, Notes, as_text

SOURCE = "cloudwatch"

_REGION = re.compile(r"[a-z]{2}(?:-[a-z]{2,12}){1,3}-[0-9]{1,2}", re.ASCII)
_CHANGES = {
    "SubscriptionConfirmation": SubscriptionChange.CONFIRM_SUBSCRIPTION,
    "UnsubscribeConfirmation": SubscriptionChange.SUBSCRIPTION_ENDED,
}
_ENVELOPE = ("Signature", "SignatureVersion", "SigningCertURL", "UnsubscribeURL", "Token", "MessageId")


def read(payload: Mapping[str, Any], *, received_at: datetime, headers: Mapping[str, str] = NOTHING) -> Intake:
    message = Item(payload, "", Notes())
    kind = message.text("Type", longest=LONGEST_NAME) if "TopicArn" in message else ""
    if kind in _CHANGES:
        return whole(message.notes, subscription_requests=[_subscription_request(kind, message)])
    reader = _notification if kind or "Message" in message else _bare
    return whole(message.notes, alerts=reader(message, received_at))


def _subscription_request(kind: str, message: Item) -> SubscriptionRequest:
    topic, url = message.text("TopicArn", longest=LONGEST_NAME), message.peek("SubscribeURL")
    if not is_sns(url):
        message.notes.say("SubscribeURL does not lead to Amazon SNS; it is not followed.")
        url = ""
    return SubscriptionRequest(_CHANGES[kind], topic, url)


def _notification(message: Item, received_at: datetime) -> list[Alert]:
    """What SNS carries: JSON as text. Any other text is an alert too, named after its subject."""
    topic, subject = message.text("TopicArn", longest=LONGEST_NAME), message.text("Subject")
    message.drop(*_ENVELOPE)
    draft = Draft(SOURCE, said_at=message.time("Timestamp"))
    carried = _json(message.peek("Message"))
    if isinstance(carried, Mapping):
        message.put_back("Message", carried)
        draft.annotate(summary=subject)
        if not _alarm(message.open("Message"), draft):
            message.notes.say("Message is not the JSON of an alarm; it is kept as it came.")
    else:
        message.notes.say("Message is not the JSON of an alarm; it is kept as text.")
        draft.annotate(description=message.text("Message"))
    draft.name = draft.name or subject or topic.rpartition(":")[2]
    draft.label(topic=topic)
    return [alert(draft, message, received_at=received_at)]


def _bare(message: Item, received_at: datetime) -> list[Alert]:
    draft = Draft(SOURCE)
    if not _alarm(message, draft):
        return not_understood(SOURCE, message, received_at=received_at)
    return [alert(draft, message, received_at=received_at)]


def _json(text: object) -> object:
    if not isinstance(text, str):
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _alarm(item: Item, draft: Draft) -> bool:
    if item.has_object("detail"):
        _of_eventbridge(item, draft)
    elif any(name in item for name in ("AlarmName", "NewStateValue", "AlarmArn", "Trigger")):
        _of_sns(item, draft)
    else:
        return False
    draft.link = _console(draft)
    return True


def _of_sns(item: Item, draft: Draft) -> None:
    draft.name, arn = item.text("AlarmName"), item.text("AlarmArn", longest=LONGEST_KEY)
    account, region = item.text("AWSAccountId", longest=LONGEST_NAME), item.text("Region", longest=LONGEST_NAME)
    draft.key = arn or "/".join(filter(None, (account, region, draft.name)))
    _contributor(draft, item.text("AlarmContributorId", longest=LONGEST_KEY), item, "AlarmContributorAttributes")
    draft.label(account=account, region=_region(arn) or region)
    _state(draft, item.text("NewStateValue", longest=LONGEST_NAME), item.time("StateChangeTime"), item)
    item.drop("AlarmConfigurationUpdatedTimestamp")
    draft.annotate(description=item.text("AlarmDescription"), reason=item.text("NewStateReason"))
    trigger = item.open_if_object("Trigger")
    draft.label(metric=trigger.text("MetricName", longest=LONGEST_NAME))
    draft.label(namespace=trigger.text("Namespace", longest=LONGEST_NAME))
    for name, value in _dimensions(trigger):
        draft.labels.setdefault(name, value)


def _dimensions(trigger: Item) -> list[tuple[str, str]]:
    """In either case. If one is odd all stay in the rest."""
    value = trigger.peek("Dimensions")
    if not isinstance(value, list):
        return []
    lowered = [{str(k).lower(): as_text(v) for k, v in one.items()} for one in value if isinstance(one, Mapping)]
    pairs = [(one.get("name") or "", one.get("value") or "") for one in lowered]
    if len(pairs) == len(value) and all(name and text for name, text in pairs):
        trigger.drop("Dimensions")
    else:
        trigger.odd("Dimensions", "a list of names and values in every place")
    return [(name, text) for name, text in pairs if name and text]


def _of_eventbridge(item: Item, draft: Draft) -> None:
    detail = item.open("detail")
    draft.name = detail.text("alarmName") or item.text("detail-type")
    arns = item.words("resources") if isinstance(item.peek("resources"), list) else []
    account, region = item.text("account", longest=LONGEST_NAME), item.text("region", longest=LONGEST_NAME)
    draft.key = arns[0] if arns else "/".join(filter(None, (account, region, draft.name)))
    one = detail.open_if_object("alarmContributor")
    _contributor(draft, one.text("id", longest=LONGEST_KEY), one, "attributes")
    draft.label(account=account, region=region)
    state = detail.open_if_object("state")
    at = state.time("timestamp") or item.time("time")
    _state(draft, state.text("value", longest=LONGEST_NAME), at, item)
    draft.annotate(reason=state.text("reason"))
    draft.annotate(description=detail.open_if_object("configuration").text("description"))
    item.drop("version", "id")


def _contributor(draft: Draft, number: str, item: Item, attributes: str) -> None:
    if number and draft.key:
        draft.key = f"{draft.key}/contributor/{number}"
    draft.labels |= item.texts_if_object(attributes)


def _state(draft: Draft, state: str, at: datetime | None, item: Item) -> None:
    """OK is resolved. INSUFFICIENT_DATA is not: nobody knows that it is over."""
    draft.status = Status.RESOLVED if state.upper() == "OK" else Status.FIRING
    if state.upper() not in ("OK", "ALARM", "INSUFFICIENT_DATA"):
        item.notes.say(f"“{state[:40]}” is not a state of an alarm; the alert counts as firing.")
    draft.said_at = at or draft.said_at
    draft.starts_at, draft.ends_at = (None, at) if draft.status is Status.RESOLVED else (at, None)
    draft.annotate(state=state)


def _region(arn: str) -> str:
    parts = arn.split(":")
    return parts[3] if len(parts) > 3 and _REGION.fullmatch(parts[3]) else ""


def _console(draft: Draft) -> str:
    region = draft.labels.get("region", "")
    if not draft.name or not _REGION.fullmatch(region) or region.startswith(("cn-", "us-gov-")):
        return ""
    place = f"https://{region}.console.aws.amazon.com/cloudwatch/home?region={region}"
    return f"{place}#alarmsV2:alarm/{quote(draft.name[:LONGEST_NAME].encode('utf-8', 'replace'), safe='')}"
