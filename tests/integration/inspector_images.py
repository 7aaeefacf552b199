"""The pictures of the inspector in docs/images: `python -m tests.integration.inspector_images` writes them anew."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from bridge.local.settings import SourceSettings
from tests.integration.chromium import missing_chromium, open_chromium
from tests.integration.gateway import RunningGateway

if TYPE_CHECKING:
    from playwright.sync_api import Browser

__all__ = ["main"]

FOLDER = Path(__file__).parents[2] / "docs/images"

# The looks: width and height in CSS pixels, and the colour scheme.
LOOKS: dict[str, tuple[int, int, Literal["light", "dark"]]] = {
    "desktop": (1200, 800, "light"),
    "dark": (1200, 800, "dark"),
    "phone": (390, 844, "light"),
}


def main(folder: Path = FOLDER) -> None:
    reason = missing_chromium()
    if reason is not None:
        sys.exit(reason)
    folder.mkdir(parents=True, exist_ok=True)
    url = SourceSettings(name="function-url", is_streamed=True)
    with RunningGateway("shop_site:handler", url, "alb", "http-api", is_streamed=True) as shop:
        _visit(shop)
        with open_chromium() as browser:
            _draw(shop, browser, folder)


def _visit(shop: RunningGateway) -> None:
    headers = {"User-Agent": "curl/8.14.1", "Accept-Encoding": "identity"}
    for source, method, path in (
        (0, "GET", "/products?page=1"),
        (1, "GET", "/products?page=2"),
        (2, "POST", "/orders"),
        (0, "GET", "/favicon.ico"),
        (1, "GET", "/broken"),
        (0, "GET", "/chat"),
        (0, "GET", "/products?search=%3Cscript%3Ealert(1)%3C/script%3E"),
    ):
        shop.client.request(method, shop.url(path, source), headers=headers)
        shop.record()


def _draw(shop: RunningGateway, browser: "Browser", folder: Path) -> None:
    found = {record.path.partition("?")[0]: record for record in shop.gateway.history}
    order, chat = found["/orders"], found["/chat"]
    shop.run(shop.gateway.replay(order.id, source="alb"))
    replayed = shop.record()
    pages = {
        "list": "/",
        "invocation": f"/invocations/{chat.id}",
        "difference": f"/invocations/{replayed.id}/compare",
    }
    for look, (width, height, scheme) in LOOKS.items():
        context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
        page = context.new_page()
        for name, path in pages.items():
            page.goto(shop.url(f"/_bridge{path}"))
            page.locator("#connection[data-state=Live], #connection[data-state=Complete]").wait_for()
            page.screenshot(path=folder / f"inspector-{name}-{look}.png")
        context.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
