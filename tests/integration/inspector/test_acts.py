"""What the buttons do: in a real Chromium, in front of a real gateway."""

from pathlib import Path
from typing import TYPE_CHECKING

from tests.integration.gateway import RunningGateway
from tests.integration.inspector.pages import LIVE, open_list

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


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


def test_a_restore_is_shown_and_the_filter_stays(page: "Page") -> None:
    with RunningGateway("local_site:handler", snapstart=True) as local:
        open_list(page, local, "?source=function-url")
        page.locator(".environments .badge.snapshot").wait_for()
        local.get("/restored")
        page.locator("#rows tr", has_text="/restored").locator(".start.restored").wait_for()
        page.get_by_role("button", name="Restore").press("Enter")
        page.locator(LIVE).wait_for()
        assert page.url.endswith("/?source=function-url")
        page.locator(".environments li", has_text="Environment 2").locator(".badge.snapshot").wait_for()
        local.get("/again")
        page.locator("#rows tr", has_text="/again").locator(".start.restored").wait_for()
        page.locator("#rows a", has_text="/again").click()
        page.locator("#timeline .step.restore").wait_for()
        page.goto("about:blank")


def test_a_failed_start_is_shown(page: "Page", tmp_path: Path) -> None:
    (tmp_path / "broken_site.py").write_text("print('line\\n' * 200)\nraise RuntimeError('no database')")
    with RunningGateway("broken_site:handler", folder=tmp_path) as local:
        assert local.get("/").status_code == 502
        page.goto(local.url(f"/_bridge/invocations/{local.record().id}"))
        page.locator("#connection[data-state=Complete]").wait_for()
        assert page.locator("#timeline .step th").all_inner_texts() == ["Queueing", "Init phase"]
        assert "no database" in page.locator(".failure").inner_text()
        assert page.locator("#log pre").inner_text().count("  line\n") == 200


def test_what_cannot_be_sent_says_why_and_is_kept(browser: "Browser", local: RunningGateway) -> None:
    context = browser.new_context()
    page = context.new_page()  # Chromium's console has a line for each 400
    page.goto(local.url("/_bridge/send"))
    page.get_by_label("JSON").fill('{"typed": ')
    page.get_by_role("button", name="Send the event").click()
    alert = page.locator("[role=alert]:focus")  # a browser moves the focus a moment after the page is there
    assert "Expected an event in JSON" in alert.inner_text()
    assert page.get_by_label("JSON").input_value() == '{"typed": '
    page.get_by_label("JSON").fill('{"typed": "whole"}')
    page.get_by_role("button", name="Send the event").click()
    page.get_by_role("heading", name="Event, 18 bytes").wait_for()
    context.close()


def test_copy_copies_the_whole_file(page: "Page", local: RunningGateway) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    record = local.run(local.gateway.invoke(b'{"long": "' + b"x" * 150_000 + b'\x7f"}'))
    page.goto(local.url(f"/_bridge/invocations/{record.id}/test"))
    page.get_by_role("button", name="Copy").nth(1).press("Enter")
    page.get_by_role("button", name="Copied").wait_for()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == page.request.get(local.url(f"/_bridge/invocations/{record.id}/event.json")).text()
    assert len(copied) > 150_000


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
