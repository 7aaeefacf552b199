"""The README and the docs agree with the project: links, settings, commands and Python examples."""

import ast
import inspect
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from bridge import Settings
from bridge._advice import OTHERS
from bridge._httpx import httpx
from bridge._types import Event, Receive, Scope, Send
from bridge.observation import Observation
from bridge.proxy.settings import OriginSettings
from bridge.runtime.settings import RuntimeSettings
from bridge.settings_variables import KNOWN, NOT_SUPPORTED

ROOT = Path(__file__).parents[1]
PAGES = [
    *(ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "SECURITY.md"),
    *sorted(ROOT.glob("docs/*.md")),
    *sorted(ROOT.glob("sample_apps/*/README.md")),
]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def python_blocks(page: Path) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def test_every_file_that_a_page_links_to_exists() -> None:
    missing = []
    for page in PAGES:
        links = re.findall(r"\]\((?!https?://)([^)#]+)", page.read_text(encoding="utf-8"))
        missing += [f"{page.name}: {link}" for link in links if not (page.parent / link).exists()]
    assert missing == []


def test_every_heading_that_a_page_links_to_exists() -> None:
    missing = []
    for page in PAGES:
        links = re.findall(r"\]\((?!https?://)([^)#\s]*)#([^)]+)\)", page.read_text(encoding="utf-8"))
        targets = [(page.parent / path if path else page, heading) for path, heading in links]
        missing += [f"{page.name}: {heading}" for target, heading in targets if heading not in _anchors(target)]
    assert missing == []


def _anchors(page: Path) -> set[str]:
    """Return the headings of a page as links name them."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    headings = (
        re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading) for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    )
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_test_that_a_page_names_is_in_the_file_that_it_links_to() -> None:
    missing = []
    for page in PAGES:
        links = re.findall(r"\[`(test_\w+)`\]\(([^)#]+)\)", page.read_text(encoding="utf-8"))
        missing += [name for name, file in links if f"def {name}(" not in (page.parent / file).read_text("utf-8")]
    assert missing == []


def test_the_page_about_settings_names_every_setting_and_its_variable_and_the_readme_none_that_is_missing() -> None:
    page = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    cells = r"^\| `(\w+)` \| `([A-Z_]+)` \|"
    rows = re.findall(cells, page.partition("## Of every handler")[2].partition("\n## ")[0], re.MULTILINE)
    source = (ROOT / "bridge" / "settings.py").read_text(encoding="utf-8")
    assert [name for name, _ in rows] == list(Settings.names())
    assert [name for name, variable in rows if f"{name}: " not in source or f'"{variable}"' not in source] == []
    assert set(re.findall(cells, README, re.MULTILINE)) <= set(rows)


def test_the_pages_name_every_variable() -> None:
    pages = "".join((ROOT / "docs" / f"{name}.md").read_text("utf-8") for name in ("settings", "proxy", "runtime"))
    assert [name for name in [*KNOWN, *NOT_SUPPORTED] if f"`{name}`" not in pages] == []


def test_every_line_about_mangum_and_apig_wsgi_is_what_the_error_says() -> None:
    page = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(\w+)=\S*` \| (.+?) \|$", page, re.MULTILINE))
    for name, here in rows.items():
        new = re.match(r"`(\w+)=", here)
        if name.islower() and name != "lifespan":
            assert (new[1] if new else "no counterpart") in OTHERS[name]
    assert {name for name, text in OTHERS.items() if "Mangum" in text or "apig-wsgi" in text} <= rows.keys()


def test_the_page_about_proxy_names_every_setting_and_its_variables() -> None:
    page = (ROOT / "docs" / "proxy.md").read_text(encoding="utf-8")
    cells = re.findall(r"^\| `(\w+)` \| (.+?) \|", page, re.MULTILINE)
    rows = {name: re.findall(r"`([A-Z_]+)`", variables) for name, variables in cells}
    source = (ROOT / "bridge" / "proxy" / "settings.py").read_text(encoding="utf-8")
    fields = list(OriginSettings().values())
    assert [*rows, "deadline_margin", "given"] == fields  # the last two are not arguments of Proxy
    assert "`BRIDGE_DEADLINE_MARGIN`" in page
    variables = [variable for row in rows.values() for variable in row]
    assert [variable for variable in variables if f'"{variable}"' not in source] == []


def test_the_page_about_the_runtime_names_every_setting_and_its_variable() -> None:
    page = (ROOT / "docs" / "runtime.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \| `([A-Z_]+)` \|", page, re.MULTILINE))
    source = (ROOT / "bridge" / "runtime" / "settings.py").read_text(encoding="utf-8")
    source += (ROOT / "bridge" / "deadline.py").read_text(encoding="utf-8")
    assert list(rows) == list(RuntimeSettings().values())
    assert [variable for variable in rows.values() if f'"{variable}"' not in source] == []


def test_the_page_about_observability_names_every_attribute_of_an_observation() -> None:
    page = (ROOT / "docs" / "observability.md").read_text(encoding="utf-8")
    table = page.partition("| attribute | value |")[2].partition("\n\n")[0]
    first_cells = "".join(re.findall(r"^\| (`.+?`) \|", table, re.MULTILINE))
    names = set(re.findall(r"`(\w+)`", first_cells))
    assert names == set(re.findall(r"\bself\.([a-z]\w+)", inspect.getsource(Observation.__init__)))


def test_ci_runs_the_readmes_own_test_command_and_then_the_rest_of_the_matrix() -> None:
    demo, test = re.findall(r"^python3 -m venv .*$", README, re.MULTILINE)
    assert demo == f"{test} -s demo"
    assert (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()[-2:] == [test, ".venv/bin/nox -t rest"]


def test_the_newest_version_of_the_changelog_is_this_one() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    version = re.search(r'^__version__ = "(.+)"$', (ROOT / "bridge" / "__init__.py").read_text("utf-8"), re.MULTILINE)
    assert version is not None
    versions = re.findall(r"^## (.+)$", changelog, re.MULTILINE)
    assert next(name for name in versions if name != "Unreleased") == version[1]
    assert "Unreleased" not in versions[1:]


def test_the_readmes_rows_about_restores_are_those_of_the_page() -> None:
    section = README.partition("### After a SnapStart restore")[2].partition("### ")[0]
    page = (ROOT / "docs" / "snapstart.md").read_text(encoding="utf-8").splitlines()
    rows = [line for line in section.splitlines() if line.startswith("|")]
    assert len(rows) > 2
    assert [row for row in rows if row not in page] == []


def test_every_python_example_compiles() -> None:
    for page in PAGES:
        for code in python_blocks(page):
            compile(code, str(page), "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        raise NotImplementedError
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": b"part"})


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_the_python_examples_of_the_readme_run(
    make_event: Callable[[], Event], capsys: pytest.CaptureFixture[str]
) -> None:
    names: dict[str, object] = {"app": app, "context": None, "event": make_event(), "httpx": httpx}
    for code in python_blocks(ROOT / "README.md"):
        if "Proxy(" not in code and "fastapi" not in code:  # the first starts a web server, the other is a test module
            running = eval(compile(code, "README.md", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT), names)
            if running is not None:
                await running
    assert "b'part'" in capsys.readouterr().out


@pytest.mark.parametrize("page", ["docs/settings.md", "docs/transports.md", "docs/snapstart.md"])
def test_the_python_examples_of_a_page_run(
    run_python: Callable[..., "subprocess.CompletedProcess[str]"], page: str
) -> None:
    for code in python_blocks(ROOT / page):
        done = run_python(code)
        assert (done.returncode, done.stderr) == (0, "")
