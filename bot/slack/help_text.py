"""What the door says by itself: help, the nearest verb, and the sentences for when something went wrong."""

from __future__ import annotations

import re
from collections.abc import Mapping

from bot.domain.errors import Unclear
from bot.domain.text.wording import nearest
from bot.interactions import Listeners, Reply, Subcommand
from bot.views.kit import mrkdwn

HELP = "help"
SECTION_LIMIT = 2_900

GONE = "That button is from an older message and no longer does anything. Open the newest card, or type `/incident`."
TOO_SLOW = "Slack was too slow for the form to open. {next}"
AGAIN = "Try again."
PRESS = "Press the button to open it."
STARTING = "I am still connecting to Slack. Try again in a moment."
SILENT = "Slack did not answer me just now. Try again in a moment."
BROKEN = "That did not work, and it is not your fault. Try again; if it stays so, give my operator this: `{reference}`."
HERE = "Type `{command}` in a channel: that form cannot be opened from here."


def pick(listeners: Listeners, command: str, text: str) -> tuple[Subcommand, str] | Reply:
    """An id where the verb belongs is shown. Raises Unclear with the nearest verb."""
    verbs = listeners.commands.get(command)
    if verbs is None:
        raise Unclear(f"I do not know {command}. I know {', '.join(sorted(listeners.commands))}.")
    word, rest = _first_word(text)
    verb = listeners.aliases.get(command, {}).get(word, word)
    if verb in verbs:
        return verbs[verb], rest
    if verb in {HELP, ""}:
        return help_on(listeners, command, rest)
    for shape, meant in listeners.shapes.get(command, {}).items():
        if re.fullmatch(shape, word):
            return verbs[meant], text.strip()
    raise Unclear(_unknown(listeners, command, word))


def _first_word(text: str) -> tuple[str, str]:
    parts = text.strip().split(maxsplit=1)
    return (parts[0].casefold(), parts[1] if len(parts) > 1 else "") if parts else ("", "")


def _unknown(listeners: Listeners, command: str, word: str) -> str:
    known = {*listeners.commands[command], *listeners.aliases.get(command, {}), HELP} - {""}
    close = nearest(word, sorted(known))
    shown = re.sub(r"[<>&*_~`@|]", "", word)[:40]  # no mention, no link, no markup, not long
    if close is None or close == HELP:
        return f"I do not know “{shown}”. `{command} {HELP}` lists what I know."
    return f"I do not know “{shown}”. Did you mean `{command} {close}`? `{command} {HELP}` lists the rest."


def help_on(listeners: Listeners, command: str, about: str = "") -> Reply:
    verbs = listeners.commands[command]
    word, _ = _first_word(about)
    named = listeners.aliases.get(command, {}).get(word, word)
    if named and named in verbs:
        return Reply(_line(command, named, verbs[named]))
    lines = [_line(command, word, verb) for word, verb in verbs.items()]
    heading = f"*{command}* does the following. In threads, mention me with the same words."
    return Reply(f"{heading}\n" + "\n".join(lines), blocks=_sections([heading, *lines]))


def _line(command: str, word: str, verb: Subcommand) -> str:
    usage = " ".join(part for part in (command, word, verb.usage) if part)
    return f"`{mrkdwn.escape(usage)}` {mrkdwn.escape(verb.summary)}"


def _sections(lines: list[str]) -> list[dict[str, object]]:
    texts = [""]
    for line in lines:
        if len(texts[-1]) + len(line) + 1 > SECTION_LIMIT:
            texts.append("")
        texts[-1] = f"{texts[-1]}\n{line}".strip()
    return [section(text) for text in texts]


def section(text: str) -> dict[str, object]:
    """Not verbatim, unlike the views': Slack makes links of addresses in it."""
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


def opener(label: str, action: str, value: str) -> dict[str, object]:
    button = {"type": "button", "action_id": action, "text": {"type": "plain_text", "text": label}}
    return {"type": "actions", "elements": [button | ({"value": value} if value else {})]}


MEANT = re.compile(r"<(?!@[UW]|#[CG]|!date\^|!subteam\^S|https?://)")


def sentence(text: str) -> str:
    """A problem's sentence, which may quote what somebody typed: of its markup only mentions, dates and links stay."""
    return mrkdwn.clip(MEANT.sub("&lt;", text), SECTION_LIMIT)


def repeated(answer: Mapping[str, object] | None, subject: str | None) -> Reply:
    if answer and answer.get("text"):
        blocks = answer.get("blocks")
        return Reply(
            str(answer["text"]),
            blocks=list(blocks) if isinstance(blocks, list) else [],
            public=bool(answer.get("public")),
        )
    return Reply(f"This was already done: {subject}." if subject else "This was already done.")
