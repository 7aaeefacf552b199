"""Everyone can use the pages, and nothing in them runs: in a real Chromium, in front of a real gateway."""

from typing import TYPE_CHECKING
from urllib.parse import quote

from tests.integration.gateway import RunningGateway
from tests.integration.inspector.pages import open_list

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

HOSTILE = "<img src=x onerror=document.title='owned'><script>document.title='owned'</script>"


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


def test_it_works_without_javascript(browser: "Browser", local: RunningGateway) -> None:
    local.get("/needle")
    original = local.record()
    local.get("/haystack")
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(local.url("/_bridge/"))
    assert page.get_by_text("Not live without JavaScript").is_visible()
    page.get_by_label("Search").fill("needle")
    page.get_by_role("button", name="Search").click()
    page.wait_for_url("**/?text=needle*")
    assert "/haystack" not in page.locator("#rows").inner_text()
    page.locator("#rows a", has_text="/needle").first.click()
    page.get_by_role("heading", name="/needle").wait_for()
    page.get_by_text("Parts of the response").click()
    assert page.locator("#parts-table tbody tr").first.is_visible()
    page.get_by_role("button", name="Replay").click()
    page.get_by_role("link", name="the original").wait_for()
    assert local.record().replay_of == original.id
    page.get_by_role("link", name="Edit and send").click()
    page.get_by_label("Path and query").fill("/edited")
    page.get_by_role("button", name="Send the request").click()
    page.get_by_role("heading", name="/edited").wait_for()
    page.get_by_label("As").select_option("alb")
    page.get_by_role("button", name="Send").click()
    page.get_by_role("heading", name="What differs").wait_for()
    page.goto(local.url(f"/_bridge/invocations/{original.id}/test"))
    assert page.get_by_role("button", name="Copy").count() == 0
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").first.click()
    assert download.value.suggested_filename == "test_get_needle.py"
    context.close()
