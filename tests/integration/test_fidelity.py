"""docs/fidelity.md says what the tables say."""

from tests.integration.fidelity import PAGE, render


def test_the_page_is_up_to_date() -> None:
    """`python -m tests.integration.fidelity` writes it anew."""
    assert PAGE.read_text(encoding="utf-8") == render()
