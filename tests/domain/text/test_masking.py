"""Secrets are hidden in every common form, and over chunk borders."""

from __future__ import annotations

import base64
import binascii
import html
import json
from collections.abc import Callable
from functools import cache
from typing import Any
from urllib.parse import quote, quote_plus, urlencode

import pytest
import re2
from hypothesis import assume, given, strategies as st

from bot.domain.text.masking import MASK, Masker
from bot.domain.text.secret import Secret

CANARY = 'c4n@ry/+"<é> p&ss\\w0rd?='
FORMS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64, second place": lambda text: base64.b64encode(f"u:{text}@host".encode()).decode(),
    "base64, third place": lambda text: base64.b64encode(f"user:{text}".encode()).decode(),
    "base64, fourth place": lambda text: base64.b64encode(f"you:{text}!".encode()).decode(),
    "base64 for URLs": lambda text: base64.urlsafe_b64encode(f"a{text}bc".encode()).decode(),
    "base64 in lines": lambda text: base64.encodebytes((text * 9).encode()).decode(),
    "URL": lambda text: quote(text, safe=""),
    "URL path": quote,
    "URL query": quote_plus,
    "form": lambda text: urlencode({"password": text}),
    "lower URL": lambda text: quote(text, safe="").replace("%2F", "%2f").replace("%C3%A9", "%c3%a9"),
    "JSON": json.dumps,
    "JSON, not ASCII": lambda text: json.dumps(text, ensure_ascii=False),
    "JSON in JSON": lambda text: json.dumps(json.dumps({"a": text})),
    "JSON, not ASCII, in JSON": lambda text: json.dumps(json.dumps({"a": text}, ensure_ascii=False)),
    "hex": lambda text: text.encode().hex(),
    "HEX": lambda text: binascii.hexlify(text.encode()).decode().upper(),
    "HTML": html.escape,
    "repr": repr,
}


def leaks(text: str, secret: str) -> bool:
    """Whether six bytes in a row of the secret stand there, in any form: 12 hexadecimal digits, 8 of base64.

    Fewer of those digits stand in every hash of the audit by chance.
    """
    return _pieces(secret).search(text.encode(errors="replace")) is not None


@cache
def _pieces(secret: str) -> Any:
    """One pattern of all of them, in linear time: a run leaves megabytes."""
    raw = secret.encode()
    forms = [(form, 6) for form in (secret, quote(secret, safe=""), json.dumps(secret)[1:-1], html.escape(secret))]
    forms += [(raw.hex(), 12), (raw.hex().upper(), 12)]
    forms += [(base64.b64encode(b"\0" * n + raw).decode()[n + 1 : -4], 8) for n in range(3)]
    pieces = {form[at : at + least] for form, least in forms for at in range(max(1, len(form) - least + 1))}
    return re2.compile(b"|".join(re2.escape(one.encode()) for one in sorted(pieces)))


@pytest.mark.parametrize("form", FORMS)
def test_a_canary_is_never_seen(form: str) -> None:
    """However a program writes it, nothing of the secret is left."""
    shown = Masker([Secret(CANARY)]).mask(f"before {FORMS[form](CANARY)} after")
    assert MASK in shown
    assert not leaks(shown, CANARY), shown
    assert shown.startswith("before ")
    assert shown.endswith(" after")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("size", [1, 2, 7, 50])
def test_a_canary_in_chunks(form: str, size: int) -> None:
    """Where a chunk ends in the middle of it, nothing of it is shown before or after."""
    text = f"before {FORMS[form](CANARY)} between {FORMS[form](CANARY)} after"
    masker = Masker([Secret(CANARY)])
    stream = masker.stream()
    chunks = [stream.feed(text[at : at + size]) for at in range(0, len(text), size)]
    assert "".join(chunks) + stream.end() == masker.mask(text)


@given(st.text(min_size=4, max_size=40), st.text(max_size=100), st.text(max_size=100), st.integers(1, 30))
def test_any_secret_in_any_text(secret: str, before: str, after: str, size: int) -> None:
    """A secret in a text is hidden, in one piece or in many."""
    assume(secret.strip() and "*" not in secret)
    text = before + secret + after
    masker = Masker([Secret(secret)])
    assert secret not in masker.mask(text)
    stream = masker.stream()
    shown = "".join(stream.feed(text[at : at + size]) for at in range(0, len(text), size)) + stream.end()
    assert secret not in shown


def test_a_key_of_several_lines() -> None:
    """Each line of a key is hidden by itself, since programs indent and number lines."""
    key = "-----BEGIN KEY-----\nMIIBOgIBAAJBAK\nqqqqqqqqqqqqqq\n-----END KEY-----"
    shown = Masker([Secret(key)]).mask("1: MIIBOgIBAAJBAK\n2:   qqqqqqqqqqqqqq")
    assert shown == f"1: {MASK}\n2:   {MASK}"


def test_the_password_of_a_url() -> None:
    """A connection's password is hidden where it is alone, quoted or not."""
    masker = Masker([Secret("postgresql://app:p%40ssword@db/app")])
    assert masker.mask("FATAL: p@ssword is wrong, p%40ssword too") == f"FATAL: {MASK} is wrong, {MASK} too"
    assert masker.mask("db is up") == "db is up"


def test_what_is_no_secret_stays() -> None:
    """Other words are left alone, and without secrets everything."""
    assert Masker([Secret("hunter22")]).mask("hunter2 hunts") == "hunter2 hunts"
    assert Masker().mask("all") == "all"
    assert Masker([Secret("")]).mask("all") == "all"
    assert Masker().stream().feed("at once") == "at once"


def test_a_secret_that_comes_later() -> None:
    """A secret resolved while output is running is hidden from then on."""
    masker = Masker([Secret("first-one")])
    stream = masker.stream()
    shown = stream.feed("x" * 100)
    masker.add(Secret("second-one"))
    shown += stream.feed("second-one") + stream.end()
    assert shown == "x" * 100 + MASK


def test_values_are_masked_through() -> None:
    """Lists, mappings and their keys are masked; numbers stay."""
    masker = Masker([Secret("hunter22")])
    value = {"a": ["hunter22", 1, None], "hunter22": {"b": "x hunter22"}}
    assert masker.mask_all(value) == {"a": [MASK, 1, None], MASK: {"b": f"x {MASK}"}}


def test_much_text_is_quick() -> None:
    """A megabyte with many secrets is done in a moment."""
    masker = Masker([Secret(f"secret-number-{number}") for number in range(10)])
    text = "a line of output\n" * 60_000 + "secret-number-3"
    assert masker.mask(text).endswith(f"\n{MASK}")
