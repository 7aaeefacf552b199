"""The inspector in a real Chromium, in front of a real gateway."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from bridge.local.settings import SourceSettings
from tests.integration.chromium import missing_chromium, open_chromium
from tests.integration.gateway import RunningGateway

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

# In milliseconds.
LIMIT = 30_000

HOSTILE = "<img src=x onerror=document.title='owned'><script>document.title='owned'</script>"


@pytest.fixture(scope="module")
def browser() -> "Iterator[Browser]":
    reason = missing_chromium()
    if reason is not None:
        pytest.skip(reason)
    with open_chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the file that opens the gate of the application."""
    return tmp_path_factory.mktemp("gate") / "open"


@pytest.fixture(scope="module")
def local(browser: "Browser", gate: Path) -> Iterator[RunningGateway]:
    source = SourceSettings(name="function-url", is_streamed=True)
    with RunningGateway("local_site:handler", source, "alb", is_streamed=True, environ={"GATE": str(gate)}) as local:
        yield local


@pytest.fixture
def page(browser: "Browser") -> "Iterator[Page]":
    """Return a new window. The test fails if anything is wrong in its console."""
    context = browser.new_context(viewport={"width": 1200, "height": 800})
    page = context.new_page()
    page.set_default_timeout(LIMIT)
    wrong: list[str] = []
    page.on("console", lambda message: wrong.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    foreign: list[str] = []
    page.on("request", lambda request: foreign.append(request.url) if "//127.0.0.1:" not in request.url else None)
    yield page
    context.close()
    assert (wrong, foreign) == ([], [])


def open_list(page: "Page", local: RunningGateway, query: str = "") -> None:
    page.goto(local.url(f"/_bridge/{query}"))
    page.locator("#connection[data-state=Live]").wait_for()


def test_a_request_appears_live_and_what_is_selected_stays(page: "Page", local: RunningGateway) -> None:
    local.get("/first")
    open_list(page, local)
    first = page.locator("#rows a", has_text="/first").first
    first.focus()
    page.locator(".environments summary").first.click()
    first.focus()
    local.get("/appears?live=1", 1)
    row = page.locator("#rows tr", has_text="/appears?live=1")
    row.locator(".badge.good", has_text="200").wait_for()
    assert row.locator(".source").inner_text() == "alb"
    assert page.evaluate("document.activeElement.textContent") == "/first"
    assert page.locator(".environments details").first.get_attribute("open") is not None
    assert page.locator("#rows a").first.inner_text() == "/appears?live=1"


def test_typing_searches(page: "Page", local: RunningGateway) -> None:
    local.get("/needle")
    local.get("/haystack")
    open_list(page, local)
    page.keyboard.press("/")
    page.keyboard.type("NEEDLE")
    page.locator("#rows a", has_text="/haystack").first.wait_for(state="detached")
    assert "/needle" in page.locator("#rows").inner_text()
    page.wait_for_url("**/?text=NEEDLE")
    page.locator("#filter select[name=status]").select_option("5xx")
    page.locator("#no-rows").wait_for()


def test_the_timeline_of_a_stream_grows(page: "Page", local: RunningGateway, gate: Path) -> None:
    gate.unlink(missing_ok=True)
    try:
        with local.client.stream("GET", local.url("/parts")) as response:
            parts = response.iter_text()
            assert next(parts) == "first,"
            open_list(page, local)
            page.locator("#rows tr", has_text="/parts").locator(".badge").wait_for()
            page.locator("#rows a", has_text="/parts").first.click()
            response_row = page.locator("#timeline .step.response")
            response_row.wait_for()
            before = int(response_row.get_attribute("data-parts") or 0)
            assert "so far" in response_row.inner_text()
            gate.touch()
            for _ in parts:
                pass
            page.locator("#connection[data-state=Complete]").wait_for()
            assert int(response_row.get_attribute("data-parts") or 0) > before > 0
            assert "so far" not in page.locator("#timeline").inner_text()
            assert "pid" in page.locator("#response").inner_text()
            assert "serving /parts" in page.locator("#log").inner_text()
    finally:
        gate.unlink(missing_ok=True)


def test_replay_edit_and_another_source(page: "Page", local: RunningGateway) -> None:
    local.get("/again?x=1")
    original = local.record()
    page.goto(local.url(f"/_bridge/invocations/{original.id}"))
    page.get_by_role("button", name="Replay").click()
    page.wait_for_url(lambda url: original.id not in url)
    assert local.record().replay_of == original.id

    page.goto(local.url(f"/_bridge/invocations/{original.id}"))
    page.get_by_label("As").select_option("alb")
    page.get_by_role("button", name="Send").click()
    page.wait_for_url("**/compare")
    page.locator("#event-section del", has_text="rawPath").wait_for()
    page.locator("#event-section ins", has_text="httpMethod").wait_for()
    assert local.record().source == "alb"

    page.goto(local.url(f"/_bridge/invocations/{original.id}"))
    page.get_by_role("link", name="Edit and send").click()
    page.get_by_label("Path and query").fill("/edited")
    page.get_by_role("button", name="Send the request").click()
    page.get_by_role("heading", name="/edited").wait_for()
    assert (local.record().path, local.record().replay_of) == ("/edited", original.id)

    page.goto(local.url(f"/_bridge/invocations/{original.id}"))
    page.get_by_role("link", name="Save as a test").click()
    assert "def test_get_again() -> None:" in page.locator("#code").inner_text()


def test_a_cold_start_and_a_freeze_are_shown(page: "Page", local: RunningGateway) -> None:
    local.get("/warm")
    local.record()
    open_list(page, local)
    page.get_by_role("button", name="Freeze").click()
    page.locator(".environments .badge.frozen").first.wait_for()
    local.get("/thaws")
    local.record()
    page.get_by_role("button", name="Cold start").click()
    page.locator("#connection[data-state=Live]").wait_for()
    local.get("/cold")
    page.locator("#rows tr", has_text="/cold").first.locator(".start.cold").wait_for()
    assert page.get_by_role("button", name="Restore").is_disabled()


def test_the_keyboard_alone_reaches_everything(page: "Page", local: RunningGateway) -> None:
    local.get("/keyboard")
    original = local.record()
    open_list(page, local)
    for path in ("/", f"/invocations/{original.id}", f"/send?from={original.id}"):
        page.goto(local.url(f"/_bridge{path}"))
        wanted = page.evaluate("""() => [...document.querySelectorAll("a, button, input, select, textarea, summary")]
            .filter((each) => !each.disabled && each.checkVisibility()).length""")
        reached = set()
        for _ in range(wanted + 1):
            page.keyboard.press("Tab")
            found = page.evaluate("""() => {
                const at = document.activeElement;
                const style = getComputedStyle(at);
                return at === document.body ? null
                    : [[...document.querySelectorAll("*")].indexOf(at), style.outlineStyle !== "none"];
            }""")
            if found:
                reached.add(found[0])
                assert found[1], "The focus cannot be seen."
        assert len(reached) >= wanted, path
    open_list(page, local)
    page.keyboard.press("j")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="/keyboard").wait_for()
    page.get_by_role("button", name="Replay").focus()
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: original.id not in url)
    assert local.record().replay_of == original.id


def test_hostile_input_stays_text(page: "Page", local: RunningGateway) -> None:
    local.client.post(local.url("/" + quote(HOSTILE)), headers={"X-Hostile": HOSTILE}, content=HOSTILE)
    original = local.record()
    event = b'{"fail": "' + HOSTILE.encode() + b'"}'
    failed = local.run(local.gateway.invoke(event))
    for path in ("/", *(f"/invocations/{each.id}{part}" for each in (original, failed) for part in ("", "/test"))):
        page.goto(local.url(f"/_bridge{path}"))
        page.locator("main").wait_for()
        assert "owned" not in page.title().split("%")[0] or path != "/"
        assert page.locator("img").count() == 0
        assert page.locator("script").count() == 1
    page.goto(local.url(f"/_bridge/invocations/{original.id}"))
    assert HOSTILE in page.locator("#scope-section").inner_text()
    open_list(page, local, f"?text={quote(HOSTILE)}")
    assert page.locator("#filter input").input_value() == HOSTILE
    assert page.locator("img").count() == 0


def test_no_page_is_wider_than_a_phone(browser: "Browser", local: RunningGateway) -> None:
    local.get("/" + "long" * 100)
    record = local.record()
    context = browser.new_context(viewport={"width": 360, "height": 700})
    page = context.new_page()
    for path in (
        "/",
        "/send",
        *(f"/invocations/{record.id}{part}" for part in ("", "/test", f"/compare?with={record.id}")),
    ):
        page.goto(local.url(f"/_bridge{path}"))
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, path
    context.close()


def test_a_page_of_another_site_cannot_act(browser: "Browser", local: RunningGateway) -> None:
    local.get("/target")
    record, count = local.record(), len(local.gateway.history)
    context = browser.new_context()
    page = context.new_page()
    action = local.url(f"/_bridge/invocations/{record.id}/replay")
    page.route(
        "http://evil.example/",
        lambda route: route.fulfill(
            content_type="text/html", body=f"<form method=post action='{action}'><button>Win</button></form>"
        ),
    )
    page.goto("http://evil.example/")
    with page.expect_navigation() as navigation:
        page.get_by_role("button").click()
    response = navigation.value
    assert response is not None
    assert response.status == 403
    assert len(local.gateway.history) == count
    context.close()
