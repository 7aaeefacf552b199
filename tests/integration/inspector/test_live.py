"""The pages change by themselves: in a real Chromium, in front of a real gateway."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from bridge.local.invocation import Invocation
from bridge.local.settings import SourceSettings
from bridge.testing.messages import ClientRequest
from bridge.testing.services import service_of
from bridge.testing.setup import Setup
from tests.integration.gateway import RunningGateway
from tests.integration.inspector.pages import LIVE, open_list
from tests.integration.servers import free_port

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page


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


def test_the_list_does_not_move_under_the_pointer_or_the_focus(page: "Page", local: RunningGateway) -> None:
    for number in range(101):
        local.get(f"/row/{number}")
    page.set_viewport_size({"width": 1200, "height": 400})
    open_list(page, local)
    row = page.locator("#rows tr", has_text="/row/97")
    row.hover()
    before = _top(row)
    local.get("/comes/above")
    page.locator("#rows a", has_text="/comes/above").wait_for()
    assert abs(_top(row) - before) < 2  # scrolling rounds
    page.mouse.move(0, 0)
    last = page.locator("#rows a").nth(99)  # the hundredth is the last one on a page
    last.focus()
    text, before = last.inner_text(), _top(last)
    local.get("/comes/later")
    page.locator("#rows a", has_text="/comes/later").wait_for()
    assert page.evaluate("document.activeElement.textContent") == text
    assert abs(_top(page.locator("#rows a").get_by_text(text, exact=True)) - before) < 2


def _top(locator: "Locator") -> float:
    return float(locator.evaluate("each => each.getBoundingClientRect().top"))


def test_a_reader_can_pause_the_page(page: "Page", local: RunningGateway) -> None:
    open_list(page, local)
    page.get_by_role("button", name="Pause").press("Enter")
    page.locator("#connection[data-state=Paused]").wait_for()
    local.get("/while/paused")
    local.record()
    assert page.locator("#rows a", has_text="/while/paused").count() == 0
    page.get_by_role("button", name="Continue").press("Enter")
    page.locator("#rows a", has_text="/while/paused").wait_for()


def test_a_page_that_nobody_sees_has_no_connection(page: "Page", local: RunningGateway) -> None:
    open_list(page, local)
    with page.expect_event("requestfailed", lambda request: request.url.endswith("/feed")):
        _turn(page, hidden=True)
    local.get("/while/hidden")
    local.record()
    _turn(page, hidden=False)
    page.locator("#rows a", has_text="/while/hidden").wait_for()


def _turn(page: "Page", *, hidden: bool) -> None:
    page.evaluate(
        """hidden => {
            Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
            document.dispatchEvent(new Event("visibilitychange"));
        }""",
        hidden,
    )


def test_what_is_selected_in_a_log_that_grows_stays_selected(page: "Page", local: RunningGateway, gate: Path) -> None:
    gate.unlink(missing_ok=True)
    try:
        assert local.get("/background").status_code == 200
        page.goto(local.url(f"/_bridge/invocations/{next(iter(local.gateway.history)).id}"))
        log = page.locator("#log pre")
        log.get_by_text("serving /background").wait_for()
        page.evaluate("getSelection().selectAllChildren(document.querySelector('#log pre'))")
        selected = page.evaluate("getSelection().toString()")
        gate.touch()
        log.get_by_text("worked on").wait_for()
        page.locator("#connection[data-state=Complete]").wait_for()
        assert "serving /background" in selected
        assert page.evaluate("getSelection().toString()").strip().startswith(selected.strip())
    finally:
        gate.unlink(missing_ok=True)


def test_two_pages_and_the_back_button(page: "Page", local: RunningGateway) -> None:
    local.get("/both", 1)
    original = local.record()
    open_list(page, local)
    page.locator("#filter select[name=source]").select_option("alb")
    page.wait_for_url("**/?source=alb")
    other = page.context.new_page()
    other.goto(local.url(f"/_bridge/invocations/{original.id}"))
    other.get_by_role("button", name="Replay").click()
    page.locator("#rows tr", has_text="/both").locator(".tag", has_text="replay").wait_for()
    page.locator("#rows a", has_text="/both").first.click()
    page.get_by_role("heading", name="/both").wait_for()
    page.go_back()
    page.locator(LIVE).wait_for()
    assert page.url.endswith("/?source=alb")
    assert page.locator("#filter select[name=source]").input_value() == "alb"
    assert set(page.locator("#rows .source").all_inner_texts()) == {"alb"}


def test_pages_outlive_the_gateway(browser: "Browser") -> None:
    source = SourceSettings(name="function-url", port=free_port())
    context = browser.new_context()
    listing, one = context.new_page(), context.new_page()
    with RunningGateway("local_site:handler", source, environ={"GATE": "/nowhere"}) as first:
        open_list(listing, first)
        begun = first.run(_begin(first))
        one.goto(first.url(f"/_bridge/invocations/{begun.id}"))
        one.locator(LIVE).wait_for()
    for page in (listing, one):
        page.locator("#connection", has_text="the gateway does not answer, trying again").wait_for()
    with RunningGateway("local_site:handler", source) as second:
        listing.locator(LIVE).wait_for()
        listing.get_by_text("No invocation yet.").wait_for()
        one.locator("#connection", has_text="the gateway does not have this any more").wait_for()
        second.get("/after")
        listing.locator("#rows a", has_text="/after").wait_for()
        context.close()


async def _begin(local: RunningGateway) -> Invocation:
    """Begin an invocation that waits for a gate."""
    request = ClientRequest(method="GET", target="/gate", headers=(("Host", "127.0.0.1"),))
    event = service_of("function-url").event_for(request, Setup())
    invocation = Invocation(source="invoke", event=json.dumps(event).encode())
    local.gateway.submit(invocation).leave()
    return invocation
