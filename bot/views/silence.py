"""Silences and maintenance as people see them: lines in a channel, lists, and what a card says of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate

from bot.domain.alerts.group import AlertGroup
from bot.domain.alerts.maintenance import Window
from bot.domain.alerts.silence import Silence
from bot.domain.people.person import BOT
from bot.domain.text.wording import listing
from bot.views.kit.mrkdwn import clip, clock, literal, mention, moment

NAMED = 10  # groups in an answer
LISTED = 20
ABOUT_LIMIT = 500
LIMIT = 3_500  # characters of an answer


def _about(silence: Silence) -> str:
    return _short(silence.about)


def _short(text: str) -> str:
    return clip(literal(" ".join(text.split())), ABOUT_LIMIT)


def _why(reason: str) -> str:
    return f" Reason: {literal(reason)}" if reason else ""


def groups(names: Sequence[str], total: int) -> str:
    shown = list(names[:NAMED])
    return listing([*shown, f"{total - len(shown)} more"] if total > len(shown) else shown)


def _list(lines: Sequence[str]) -> str:
    fitting = [
        line for line, used in zip(lines, accumulate(len(line) + 1 for line in lines), strict=True) if used < LIMIT
    ]
    return "\n".join([*fitting, *([f"And {len(lines) - len(fitting)} more."] if len(fitting) < len(lines) else [])])


def _count(total: int) -> str:
    return "1 group of alerts" if total == 1 else f"{total} groups of alerts"


# --- silences ---------------------------------------------------------------------------------------------------------


def made(silence: Silence, names: Sequence[str], total: int) -> str:
    now = f"It silences {groups(names, total)} now." if total else "Nothing that is open fires with these labels."
    return f"{silence} silences {_about(silence)} until {moment(silence.ends_at)}. {now}"


def began(silence: Silence) -> str:
    return (
        f"{silence}: {mention(silence.made_by)} silenced {_about(silence)} until {moment(silence.ends_at)}."
        f"{_why(silence.reason)}"
    )


def ended(silence: Silence) -> str:
    return f"{silence} was ended by {mention(silence.ended_by or '')}. It silenced {_about(silence)}."


def unmade(silence: Silence, names: Sequence[str], total: int) -> str:
    woken = f"Awake again: {groups(names, total)}." if total else "It held nothing that fires still."
    return f"{silence} is over. {woken}"


def silences(found: Sequence[Silence], holding: Mapping[int, int], alone: Sequence[AlertGroup] = ()) -> str:
    if not found and not alone:
        return "No silence is in force."
    lines = [_silence(one, holding.get(one.id, 0)) for one in found[:LISTED]]
    more = [f"And {len(found) - LISTED} more, which end later."] if len(found) > LISTED else []
    single = [_alone(one) for one in alone[:LISTED]]
    others = ["And more alerts by themselves, which wake later."] if len(alone) > LISTED else []
    return f"{_list([*lines, *more, *single, *others])}\nEnd one early: `/incident silence end {[*found, *alone][0]}`."


def _alone(group: AlertGroup) -> str:
    until = f", until {moment(group.silenced_until)}" if group.silenced_until else ""
    return f"• *{group}* {_short(group.called)}: by {mention(group.silenced_by or '')}{until}."


def _silence(silence: Silence, held: int) -> str:
    return (
        f"• *{silence}* {_about(silence)}: by {mention(silence.made_by)}, until {moment(silence.ends_at)},"
        f" holds {_count(held) if held else 'nothing now'}.{_why(silence.reason)}"
    )


def held(group: AlertGroup) -> str:
    if group.silenced_until is None:
        return ""
    by = f" (SIL-{group.silence})" if group.silence else ""
    return f"Silenced until {moment(group.silenced_until)} by {mention(group.silenced_by or '')}{by}."


# --- maintenance ------------------------------------------------------------------------------------------------------


def on_card(window: Window) -> str:
    return f"Maintenance {window} until {clock(window.ends_at)}: nobody is paged."


def on_storm(window: Window) -> str:
    return f"Maintenance {window} of {literal(window.service)} until {clock(window.ends_at)}: nobody is paged for it."


def on_incident(window: Window, service: str) -> str:
    return f"Maintenance {window} of {literal(service)} is on until {clock(window.ends_at)}.{_why(window.reason)}"


def begun(window: Window, service: str, total: int, *, is_new: bool) -> str:
    said = f"{window}: {literal(service)} is in maintenance until {moment(window.ends_at)}."
    if not is_new:
        return f"{said} It was on already."
    return f"{said}{_fires(total, ', and nobody is paged for that meanwhile.') or ' Nobody is paged meanwhile.'}"


def window_began(window: Window, service: str) -> str:
    return (
        f"{window}: {mention(window.made_by)} began maintenance of {literal(service)}, until {moment(window.ends_at)}."
        f" Alerts are shown, and nobody is paged.{_why(window.reason)}"
    )


def window_moved(window: Window, service: str, by: str) -> str:
    return f"{window}: maintenance of {literal(service)} lasts until {moment(window.ends_at)} now, says {mention(by)}."


def window_over(window: Window, service: str, total: int) -> str:
    by = "" if window.ended_by in (None, BOT) else f" {mention(window.ended_by or '')} ended it."
    return f"{window}: maintenance of {literal(service)} is over.{by}{_fires(total, ' still.')}"


def windows(found: Sequence[Window], services: Mapping[str, str], firing: Mapping[int, int]) -> str:
    if not found:
        return "Nothing is in maintenance. Begin it: `/incident maintenance <service> 2h [reason]`."
    lines = [_window(one, services.get(one.service, one.service), firing.get(one.id, 0)) for one in found[:LISTED]]
    return f"{_list(lines)}\nEnd it early: `/incident maintenance end {found[0]}`."


def _window(window: Window, service: str, total: int) -> str:
    return (
        f"• *{window}* {literal(service)}: by {mention(window.made_by)}, until {moment(window.ends_at)}."
        f"{_fires(total, '.')}{_why(window.reason)}"
    )


def _fires(total: int, rest: str) -> str:
    return f" {_count(total)} {'fires' if total == 1 else 'fire'}{rest}" if total else ""
