"""HTML from Python: `element("a", text, href=url)`. All text is escaped; only what this module made is not."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

__all__ = ["Child", "Markup", "element", "fragment", "unchanged"]

# What a terminal or a browser acts on, and a reader does not see: control characters, and those that turn the direction
# of text around. They are shown as symbols, or as escapes.
_VISIBLE = (
    {code: chr(0x2400 + code) for code in range(0x20) if chr(code) not in "\t\n"}
    | {0x7F: "\u2421"}
    | {code: f"\\u{code:04x}" for code in (*range(0x80, 0xA0), 0x200E, 0x200F, *range(0x202A, 0x202F), 0xFEFF)}
    | {code: f"\\u{code:04x}" for code in range(0x2066, 0x206A)}
)

# https://html.spec.whatwg.org/multipage/syntax.html#void-elements
_VOID = frozenset({"br", "hr", "input", "link", "meta", "rect"})


class Markup(str):
    """Text that is HTML. What one makes of it with `+`, `%` or `join` is text again, and gets escaped."""

    __slots__ = ()


Child = str | None | Iterable["Child"]


def element(tag: str, *children: Child, **attributes: str | int | float | bool | None) -> Markup:
    """Return an element. `class_` is the attribute class, `aria_label` is aria-label; None and False leave one out."""
    head = f"<{tag}{''.join(_attribute(name, value) for name, value in attributes.items())}>"
    return Markup(head) if tag in _VOID else Markup(f"{head}{fragment(*children)}</{tag}>")


def fragment(*children: Child) -> Markup:
    """Return the children beside each other."""
    return Markup("".join(_content(child) for child in children))


def unchanged(text: str) -> Markup:
    """Return text in which control characters stay what they are, for a form that sends it back."""
    return Markup(escape(text))


def _content(child: Child) -> str:
    if child is None:
        return ""
    if isinstance(child, Markup):
        return child
    if isinstance(child, str):
        return escape(child.translate(_VISIBLE))
    return fragment(*child)


def _attribute(name: str, value: str | int | float | bool | None) -> str:
    if value is None or value is False:
        return ""
    name = name.removesuffix("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{escape(str(value))}"'
