"""The requests that are measured: what a browser sends for a page, and for an upload."""

from dataclasses import dataclass

from benchmarks.apps import BODIES, SMALL, taken

__all__ = ["MEGABYTES", "PAGE", "QUERY", "BrowserRequest"]

QUERY = "q=garden+chairs&page=2"

_HEADERS = {
    "sec-ch-ua": '"Chromium";v="142", "Google Chrome";v="142", "Not_A Brand";v="99"',
    "sec-ch-ua-mobile": "?0",
    "sec-ch-ua-platform": '"Linux"',
    "upgrade-insecure-requests": "1",
    "user-agent": (
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36"
    ),
    "accept": "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
    "sec-fetch-site": "same-origin",
    "sec-fetch-mode": "navigate",
    "sec-fetch-user": "?1",
    "sec-fetch-dest": "document",
    "referer": "https://shop.example/chairs",
    "accept-encoding": "gzip, deflate, br, zstd",
    "accept-language": "de-DE,de;q=0.9,en-GB;q=0.8,en;q=0.7",
    "cache-control": "max-age=0",
    "cookie": "session=5f3759df2b7e151628aed2a6; theme=dark; consent=all",
}


@dataclass(frozen=True)
class BrowserRequest:
    """One request as the browser makes it, and the answer that both applications give to it.

    `headers` has neither Host nor what a proxy on the way adds: each event source has its own. `is_text`: whether the
    one body there is, up or down, travels as text.
    """

    name: str
    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    is_text: bool
    answer: bytes


def _download(name: str, page: str, content_type: str, answer: bytes) -> BrowserRequest:
    is_text = _is_text(content_type)
    return BrowserRequest(name, "GET", f"/{page}", _HEADERS, b"", is_text=is_text, answer=answer)


def _upload(name: str, page: str) -> BrowserRequest:
    content_type, body = BODIES[page]
    headers = {**_HEADERS, "content-type": content_type, "content-length": str(len(body))}
    is_text = _is_text(content_type)
    return BrowserRequest(name, "POST", "/take", headers, body, is_text=is_text, answer=taken(body))


def _is_text(content_type: str) -> bool:
    return not content_type.startswith("image/")


PAGE = _download("small body", "small", "application/json", SMALL)
MEGABYTES = [
    *(_download(f"{page} response", page, *BODIES[page]) for page in BODIES),
    *(_upload(f"{page} request", page) for page in BODIES),
]
