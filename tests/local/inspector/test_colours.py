"""The colours of the pages: text can be read in both schemes (WCAG 2.2, 1.4.3 and 1.4.11)."""

import re
from itertools import product
from pathlib import Path

import bridge.local.inspector
from tests.cases import every_case

CSS = (Path(bridge.local.inspector.__file__).parent / "static/inspector.css").read_text()
LIGHT, DARK = (
    dict(re.findall(r"--([\w-]+): (#\w+)", block)) for block in re.findall(r":root \{(.*?)\}", CSS, re.DOTALL)
)


def contrast(first: str, second: str) -> float:
    """WCAG 2.2, contrast ratio."""
    lighter, darker = sorted((luminance(first), luminance(second)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(digit * 2 for digit in colour[1:])
    red, green, blue = (linear(int(digits[at : at + 2], 16) / 255) for at in (0, 2, 4))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def linear(value: float) -> float:
    return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4


@every_case("scheme", [LIGHT, LIGHT | DARK])
def test_every_text_can_be_read(scheme: dict[str, str]) -> None:
    texts = ("text", "soft", "accent", "good", "moved", "bad", "failed", "init", "restore", "string", "digits")
    pairs = [*product(texts, ("back", "panel", "hover"))]
    pairs += [("text", "added"), ("text", "removed"), ("on-accent", "accent")]
    low = {pair: contrast(scheme[pair[0]], scheme[pair[1]]) for pair in pairs}
    assert {pair: ratio for pair, ratio in low.items() if ratio < 4.5} == {}


@every_case("scheme", [LIGHT, LIGHT | DARK])
def test_edges_of_controls_and_pictures_can_be_seen(scheme: dict[str, str]) -> None:
    shapes = ("edge", "accent", "queue", "init", "restore", "handler", "response", "after")
    low = {pair: contrast(scheme[pair[0]], scheme[pair[1]]) for pair in product(shapes, ("back", "panel"))}
    assert {pair: ratio for pair, ratio in low.items() if ratio < 3} == {}
