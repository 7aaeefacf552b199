"""The generator of docs/fidelity.md from the tables of test_round_trip: `python -m tests.integration.fidelity`."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.integration.answers_table import ANSWERS, Answer
from tests.integration.losses import Loss, Reason
from tests.integration.requests_table import REQUESTS, Case
from tests.integration.services import SERVICES
from tests.integration.undocumented import OPEN_REQUESTS, OPEN_RESPONSES, Choice

__all__ = ["PAGE", "render"]

PAGE = Path(__file__).parents[2] / "docs" / "fidelity.md"

_TITLE = """\
# Fidelity: what does not arrive as it was sent

The tests send every request below two ways: through an AWS service and bridge, and over a socket to uvicorn, which
runs the same application. This page lists every difference between the two, and a test checks each of them.
**Everything that the page does not list is equal**: method, path and raw path, query
string, header values byte for byte, the order of repeated headers, body, status.

`python -m tests.integration.fidelity` writes this page from the tables in `tests/integration/`. Do not edit it.

## Assumptions

- The services are simulated by [`bridge.testing`](testing.md), which follows AWS's documentation, and measurements that
  others published where it is silent. What neither settles is [listed below](#undocumented).
- The REST API has the binary media type `*/*`; without it, REST APIs damage binary bodies both ways. The CloudFront
  distribution forwards all headers and the body.
- What a service answers itself is not listed: headers that are too large, `|`, `{` and `}` in the query of a REST API,
  `/ping` and `/sping` at the root of its custom domain, more than 30 addresses in the X-Forwarded-For of a load
  balancer, and TRACE and WebSockets there.
- The client speaks HTTPS to the service, and `scope["scheme"]` is "https". All services except CloudFront's viewer
  request add X-Forwarded-For. API Gateway, Function URLs and load balancers also add X-Forwarded-Proto,
  X-Forwarded-Port and X-Amzn-Trace-Id, Function URLs X-Amzn-Tls-Version and X-Amzn-Tls-Cipher-Suite, HTTP APIs
  `content-length: 0`, CloudFront's origin request Via. No other header is new. Edge-optimised REST APIs have a
  CloudFront distribution of AWS's own in front, which adds its headers.
- Header names arrive in lower case, as ASGI requires. The order across names has no meaning in HTTP (RFC 9110, 5.3)
  and is not kept.
- No CORS is configured at the service. Where it is, the service answers preflight requests itself, and HTTP APIs
  ignore the CORS headers of the application.
- Headers that a service adds to its responses about itself (Date, request ids) are left out.
- A response header whose name is not a token, or whose value has CR, LF, NUL or another control byte, never reaches
  AWS: the client gets a 500, and a log line names the header.
"""

_STREAMS = """\
REST APIs and Function URLs read the same prelude: status, headers with repeats joined, and cookies. It has no
Content-Length, because AWS frames the stream; a response to HEAD loses its own with that. Function URLs were seen to
end a stream that failed in the middle as if it were whole; only callers of `InvokeWithResponseStream` see the error.
After 6 MB (10 MB at a REST API) a stream has 2 MB/s, and it may have 200 MB."""

_UNDOCUMENTED = "Neither AWS's documentation nor a published measurement answers these questions."


def render() -> str:
    """Return the whole page."""
    rows: tuple[Case | Answer, ...] = (*REQUESTS, *ANSWERS)
    lines = [_TITLE, "## Overview", "", *_overview(rows), "", "## Differences and reasons"]
    for reason in Reason:
        lines += ["", *_section(reason, rows)]
    lines += ["", "## Streams", "", _STREAMS, "", "## Undocumented", "", _UNDOCUMENTED]
    lines += ["", *_open("Requests", OPEN_REQUESTS), "", *_open("Responses", OPEN_RESPONSES)]
    lines += ["", "## Unchanged everywhere", "", *_exact("Requests", REQUESTS), "", *_exact("Responses", ANSWERS)]
    return "\n".join(lines) + "\n"


def _overview(rows: Iterable[Case | Answer]) -> Iterator[str]:
    groups = list(dict.fromkeys(service.group for service in SERVICES))
    services_of = {group: {service.id for service in SERVICES if service.group == group} for group in groups}
    losses = [loss for row in rows for loss in row.losses]
    yield f"| | {' | '.join(groups)} |"
    yield "|---|" + ":-:|" * len(groups)
    for reason in Reason:
        at = {service for loss in losses if loss.why is reason for service in loss.at}
        marks = ("✗" if services_of[group] & at else "" for group in groups)
        yield f"| [{reason.heading}](#{_anchor(reason.heading)}) | {' | '.join(marks)} |"


def _anchor(heading: str) -> str:
    """Return the anchor that GitHub makes for a heading."""
    return "".join(c for c in heading.lower().replace(" ", "-") if c.isalnum() or c in "-_")


def _section(reason: Reason, rows: Iterable[Case | Answer]) -> Iterator[str]:
    yield f"### {reason.heading}"
    yield ""
    yield reason.text
    yield ""
    yield "| Sent | At | Instead |"
    yield "|---|---|---|"
    for row in rows:
        for loss in row.losses:
            if loss.why is reason:
                yield f"| {_cell(row.summary)} | {_titles(loss)} | {_cell('; '.join(_changes(loss)))} |"


def _titles(loss: Loss) -> str:
    """Return the services of a loss. A named stage is only mentioned where it makes a difference."""
    if {service.id for service in SERVICES} <= set(loss.at):
        return "all"
    return ", ".join(
        dict.fromkeys(service.title for service in SERVICES if service.id in loss.at and not service.stage)
    )


def _changes(loss: Loss) -> Iterator[str]:
    if loss.refused:
        yield f"answer {loss.refused}"
    for name, value in loss.fields.items():
        yield f"body of {value[0]} bytes" if isinstance(value, tuple) else f"{name} `{value}`"
    if loss.gone and not loss.new:
        yield f"no {_headers(loss.gone)}"
    elif loss.new:
        yield _headers(loss.new) + (f" for {_headers(loss.gone)}" if loss.gone else "")


def _headers(headers: Iterable[tuple[str, str]]) -> str:
    return ", ".join(f"`{name}: {value}`" for name, value in headers)


def _open(title: str, choices: Iterable[Choice]) -> Iterator[str]:
    yield f"| {title} | Where | What bridge does | Why |"
    yield "|---|---|---|---|"
    for choice in choices:
        yield f"| {' | '.join(map(_cell, choice))} |"


def _exact(title: str, rows: Iterable[Case | Answer]) -> Iterator[str]:
    yield f"{title}: " + ", ".join(row.summary for row in rows if not row.losses) + "."


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(render(), encoding="utf-8")
