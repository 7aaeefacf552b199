"""What the README and the docs say of files, settings and commands is so."""

import dataclasses
import re
from pathlib import Path

import pytest

from bridge import Settings
from bridge.proxy.server import OriginSettings
from bridge.runtime.settings import RuntimeSettings

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_that_a_page_links_to_is_there(page: Path) -> None:
    links = re.findall(r"\]\((?!https?://)([^)#]+)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_readme_names_every_setting_and_its_variable() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| `([A-Z_]+)` \|", README, re.MULTILINE))
    source = (ROOT / "bridge" / "settings.py").read_text(encoding="utf-8")
    assert sorted(rows) == sorted(field.name for field in dataclasses.fields(Settings))
    assert [name for name, variable in rows.items() if f"{name}: " not in source or f'"{variable}"' not in source] == []


def test_the_page_about_proxy_names_every_setting_and_its_variables() -> None:
    page = (ROOT / "docs" / "proxy.md").read_text(encoding="utf-8")
    cells = re.findall(r"^\| `(\w+)` \| (.+?) \|", page, re.MULTILINE)
    rows = {name: re.findall(r"`([A-Z_]+)`", variables) for name, variables in cells}
    source = (ROOT / "bridge" / "proxy" / "settings.py").read_text(encoding="utf-8")
    fields = [field.name for field in dataclasses.fields(OriginSettings)]
    assert [*rows, "deadline_margin"] == fields  # the last one is the runtime's too, and no argument of Proxy
    assert "`BRIDGE_DEADLINE_MARGIN`" in page
    variables = [variable for row in rows.values() for variable in row]
    assert [variable for variable in variables if f'"{variable}"' not in source] == []


def test_the_page_about_the_runtime_names_every_setting_and_its_variable() -> None:
    page = (ROOT / "docs" / "runtime.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \| `([A-Z_]+)` \|", page, re.MULTILINE))
    source = (ROOT / "bridge" / "runtime" / "settings.py").read_text(encoding="utf-8")
    assert list(rows) == [field.name for field in dataclasses.fields(RuntimeSettings)]
    assert [variable for variable in rows.values() if f'"{variable}"' not in source] == []


def test_ci_runs_the_readmes_own_test_command() -> None:
    commands = re.findall(r"^python3 -m venv .*$", README, re.MULTILINE)
    assert [command.removesuffix(" -s demo") for command in commands] == [commands[1]] * 2
    assert commands[1] in (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()


def test_the_newest_entry_of_the_changelog_is_this_version() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    version = re.search(r'^__version__ = "(.+)"$', (ROOT / "bridge" / "__init__.py").read_text("utf-8"), re.MULTILINE)
    assert version is not None
    assert re.findall(r"^## (.+)$", changelog, re.MULTILINE)[0] == version[1]


def test_the_first_lines_of_the_readme_are_a_lambda_handler() -> None:
    code = re.search(r"```python\n(from bridge import Bridge\n.*?)```", README, re.DOTALL)
    assert code is not None

    async def app(scope: object, receive: object, send: object) -> None:
        raise AssertionError("not called")

    names: dict[str, object] = {"app": app}
    exec(code[1], names)
    assert type(names["handler"]).__name__ == "Bridge"
