"""A check that docs/fidelity.md is up to date."""

from tests.integration.fidelity import PAGE, render


def test_the_page_is_up_to_date() -> None:
    """`python -m tests.integration.fidelity` writes it anew."""
    assert PAGE.read_text(encoding="utf-8") == render()
