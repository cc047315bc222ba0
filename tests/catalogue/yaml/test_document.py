"""YAML is read with its lines, and never unfolds into more than it says."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.catalogue.yaml.document import MAX_BYTES, Unreadable, parse, read


def refusal(text: str) -> str:
    with pytest.raises(Unreadable) as caught:
        parse("a.yml", text)
    return str(caught.value.findings[0])


def test_lines() -> None:
    """Every key and list item knows its line; what has none takes the one around it."""
    document = parse("a.yml", "a: 1\nb:\n  - x\n  - c: 2\n")
    assert document.data == {"a": 1, "b": ["x", {"c": 2}]}
    places = [("a",), ("b",), ("b", 0), ("b", 1, "c"), ("b", 1, "missing"), ("nowhere",)]
    assert [document.line(place) for place in places] == [1, 2, 3, 4, 4, 1]


def test_keys_are_words() -> None:
    """A key is what was typed, even where YAML reads it as a truth or a number."""
    assert parse("a.yml", "on: 1\n2: b\n").data == {"on": 1, "2": "b"}


def test_duplicate_key() -> None:
    """The same key twice names both lines."""
    assert refusal("a: 1\nb: 2\na: 3\n") == "a.yml:3: “a” is already on line 1. Keep one of them."


def test_aliases() -> None:
    """What is said once may be used twice."""
    assert parse("a.yml", "a: &x [1, 2]\nb: *x\n").data == {"a": [1, 2], "b": [1, 2]}


def test_bomb() -> None:
    """Aliases of aliases of aliases are refused before they unfold."""
    rows = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    rows += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    assert "unfolds to far more than it says" in refusal("\n".join(rows))


def test_endless() -> None:
    """An alias inside its own anchor ends too."""
    assert "Use fewer aliases." in refusal("a: &a [*a]\n")


def test_depth() -> None:
    """Deep nesting is refused without recursing into it."""
    assert refusal("[" * 20_000) == "a.yml:1: This is nested deeper than 40 levels. Make it flatter."


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "a: !!python/object:os.system x",
            "a.yml:1: The tag tag:yaml.org,2002:python/object:os.system is not supported.",
        ),
        ("a: 2026-13-01T00:00:00Z", "a.yml:1: “2026-13-01T00:00:00Z” is not a valid value."),
        ("a: &x {b: 1}\nc: {<<: *x}", "a.yml:2: Merge keys (<<) are not supported. Write the keys out."),
        ("a: 1\n---\nb: 2", "a.yml:2: This is not valid YAML: "),
        ("a: *nothing", "a.yml:1: This is not valid YAML: "),
        ("? [a]\n: b", "a.yml:1: A key must be a word, not a list or a mapping."),
        ("a: \x00", "a.yml:1: This is not valid YAML: "),
    ],
)
def test_refusals(text: str, sentence: str) -> None:
    """What a catalogue never needs is refused with its line."""
    assert refusal(text).startswith(sentence)


def test_too_large(tmp_path: Path) -> None:
    """A file is read up to a bound."""
    path = tmp_path / "a.yml"
    path.write_bytes(b"#" * (MAX_BYTES + 1))
    with pytest.raises(Unreadable, match=r"larger than 1,000,000 bytes. Split it"):
        read(path)


def test_encoding(tmp_path: Path) -> None:
    """What is not UTF-8 names the line."""
    path = tmp_path / "a.yml"
    path.write_bytes(b"a: 1\nb: \xff\n")
    with pytest.raises(Unreadable, match=r"a.yml:2: This line is not UTF-8"):
        read(path)


def test_empty() -> None:
    """An empty file is an empty mapping."""
    assert parse("a.yml", "# nothing\n").data == {}
