"""Losses: the differences that the tables state, with their reason and the services where they occur."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from bridge.testing.messages import Headers
from tests.integration.services import SERVICES

__all__ = ["ALB", "ALL", "EDGE", "HTTP_API_1", "HTTP_API_2", "LATTICE", "REST", "Loss", "Reason", "but", "header"]

# Services as the tables name them; a named stage only changes where the event has the stage.
REST = ("rest", "rest-stage")
HTTP_API_1 = ("http1", "http1-stage")
HTTP_API_2 = ("http2", "http2-stage")
ALB = ("alb", "alb-multi")
EDGE = ("edge-viewer", "edge-origin")
LATTICE = ("lattice1", "lattice2")
ALL = tuple(service.id for service in SERVICES)


def but(*services: str) -> tuple[str, ...]:
    """Return every service except these."""
    return tuple(name for name in ALL if name not in services)


class Reason(Enum):
    """The reason of a loss: a heading and a text for docs/fidelity.md."""

    DECODED_PATH = (
        "The path's spelling",
        (
            "HTTP APIs decode the path in payload 2.0, `rawPath` too. The application's `path` is right; `raw_path` is "
            "one of the spellings that the client may have used."
        ),
    )
    CUT_PATH = (
        "The path after an encoded question mark",
        "HTTP APIs cut the decoded path of payload 2.0 at its first question mark.",
    )
    DECODED_QUERY = (
        "The query's spelling",
        "AWS decodes names and values, so they are encoded again, as a form would be: parsed, they are the same.",
    )
    NOT_UTF_8_QUERY = (
        "Query bytes that are not UTF-8",
        "AWS decodes the query as UTF-8 and replaces other bytes with U+FFFD.",
    )
    SEMICOLON = (
        "Semicolons in the query",
        "REST APIs split the query at semicolons too.",
    )
    MAPPED_QUERY = (
        "The order of query parameters",
        "The event holds a map of names to values. The order within one name is kept, the order across names is not.",
    )
    LAST_PARAMETER = (
        "Repeated query parameters",
        (
            "The event holds one value for each name, the last. On a load balancer's target group, multi-value "
            "headers (`lambda.multi_value_headers.enabled`) pass all of them."
        ),
    )
    NO_VALUE = (
        "Query parameters without an equals sign",
        "The event's map cannot tell `?a` from `?a=`, and drops the empty parameter between two ampersands.",
    )
    JOINED_HEADER = (
        "Repeated request headers",
        (
            "The event holds one value for each name: AWS joins them with commas. They are not split again, because "
            "values have commas of their own."
        ),
    )
    HEADER_BYTES = (
        "Bytes beyond ASCII in request headers",
        (
            "CloudFront decodes them as UTF-8, and bytes that are not UTF-8 as latin-1. How the other services decode "
            "them is not documented: the tests assume UTF-8, with U+FFFD for other bytes, as users report. In case one "
            "of them decodes as latin-1, bridge undoes that too: text of which the latin-1 bytes are UTF-8 beyond "
            "ASCII is those bytes, all other text is UTF-8. So UTF-8 arrives as it was sent, unless its letters look "
            "like UTF-8 that was read as latin-1."
        ),
    )
    OF_THE_CONNECTION = (
        "Request headers about the connection",
        (
            "They describe the client's connection (RFC 9110, 7.6.1), which ends at AWS: bridge drops those that "
            "AWS has not dropped already."
        ),
    )
    LAST_HEADER = (
        "Repeated request headers except the last",
        "Without multi-value headers, a load balancer passes only the last value.",
    )
    ONE_COOKIE = (
        "Repeated Cookie headers",
        "They become one header, as RFC 9113 (8.2.3) requires before a request reaches an application.",
    )
    SPLIT_COOKIE = (
        "The spacing between cookies",
        "AWS splits the Cookie header into a list. bridge joins it again as RFC 6265 spells it.",
    )
    FORWARDED_FOR = (
        "X-Forwarded-For as the client sent it",
        (
            'AWS appends the client\'s address to it. `scope["client"]` is that address, never one that the client '
            "wrote."
        ),
    )
    OF_THE_SERVICE = (
        "X-Forwarded-Proto, X-Forwarded-Port and X-Amzn-Trace-Id as the client sent them",
        (
            "The services that add them describe their own connection with the client. That they replace the client's "
            "is assumed. The scheme is that of the connection."
        ),
    )
    TRACE_ID = (
        "X-Amzn-Trace-Id at a load balancer",
        "A load balancer keeps the client's, and puts a field Self before it.",
    )
    HOST_PORT = (
        "The port in Host",
        (
            "A load balancer with a listener on port 80 or 443 removes it, and with another port it adds that. With "
            "`routing.http.preserve_host_header.enabled` it does neither."
        ),
    )
    TRUSTED_HEADER = (
        "Headers that only a server may set",
        (
            "Applications trust these headers, so bridge drops them from a client's request. To WSGI and CGI, and "
            "so to Django and PHP, `X_Forwarded_For` is X-Forwarded-For: spellings with underscores or dots of the "
            "headers that frame a request, or that AWS sets (`X-Forwarded-*`, `X-Amzn-*`, `X-Amz-Cf-*`, "
            "`CloudFront-*`), are dropped too. Nothing is logged: any client could fill the log with it."
        ),
    )
    DROPPED_REQUEST_HEADER = (
        "Request headers that AWS drops",
        (
            "REST APIs do not pass on Content-MD5, Expect, Max-Forwards, Proxy-Authenticate, Server, Trailer and "
            "WWW-Authenticate, nor an Authorization that is a signature for AWS. CloudFront shows a function no "
            "Expect, Proxy-Authenticate, Proxy-Authorization, Trailer, X-Forwarded-Proto and X-Real-IP, "
            "nor the others that a function may not set. Before origin requests it removes X-HTTP-Method-Override, too."
        ),
    )
    METHOD_OVERRIDE = (
        "X-HTTP-Method-Override",
        "REST APIs take the method from it, and do not pass it on.",
    )
    HTTP_VERSION = (
        "The HTTP version",
        'The event does not contain it; `scope["http_version"]` is 1.1.',
    )
    NO_LENGTH = (
        "The length of an empty request body",
        (
            "REST APIs drop Content-Length. With a body, bridge sets it again; without one, it cannot know that "
            "the client sent it."
        ),
    )
    FRAMING = (
        "A chunked request body's framing",
        "The body arrives in one piece, with a Content-Length instead of chunks.",
    )
    NOT_UTF_8_BODY = (
        "Request text that is not UTF-8",
        (
            "AWS puts bodies with a text type into the event's JSON as text. What happens to other bytes is not "
            "documented; the tests assume U+FFFD. VPC Lattice does so with compressed text too. Clients that send such "
            "bodies should use another content type."
        ),
    )
    METHOD = (
        "Unusual methods",
        "REST APIs and CloudFront know seven methods, and answer others themselves.",
    )
    BODY_LIMIT = (
        "Large request bodies",
        (
            "A load balancer accepts bodies of 1 MB, and Lambda events of 6,291,556 bytes of JSON, in which binary "
            "bodies are a third longer. CloudFront shows a function the first 40 KB (viewer request) or 1 MB (origin "
            "request). The application does not get half a body: the client gets a 413."
        ),
    )
    JOINED_RESPONSE_HEADER = (
        "Repeated response headers",
        (
            "The result has room for one value for each name, so they are joined with commas, which RFC 9110 "
            "(5.3) allows. It does not for Set-Cookie, of which each arrives as it was sent."
        ),
    )
    ONE_SET_COOKIE = (
        "All but the last Set-Cookie",
        (
            "The result has room for one, and cookies cannot be joined. A log line names those that were dropped. "
            "Version 2 of the events, which a target group can choose, has room for all."
        ),
    )
    REVERSED = (
        "The order of repeated response headers",
        "A load balancer does not keep it, as its documentation says: the last value was seen to come first.",
    )
    NOT_UTF_8_RESPONSE = (
        "Response header bytes that are not UTF-8",
        (
            "A result is text. Bytes that are UTF-8 become the text that they spell, others are read as latin-1. How "
            "AWS encodes that text is not documented; the tests assume UTF-8. ASCII always arrives as it was sent."
        ),
    )
    DEFAULT_TYPE = (
        "A missing response Content-Type",
        (
            "AWS adds one, also to responses without a body, and no result can prevent it. bridge adds none, so an "
            "application that sets its own has the last word."
        ),
    )
    REMAPPED = (
        "Response headers that AWS renames",
        (
            "REST APIs put `x-amzn-remapped-` before the names of Authorization, Content-MD5, Date, Max-Forwards, "
            "Server, User-Agent and WWW-Authenticate. They were also seen to add the Content-Length under such a name, "
            "which the tests leave out. Function URLs were seen to rename WWW-Authenticate; their list is not "
            "documented. HTTP APIs rename nothing."
        ),
    )
    DROPPED_HEADER = (
        "Response headers that REST APIs drop",
        "Expect, Host, Proxy-Authenticate, Trailer and Via do not reach the client.",
    )
    LOCATION = (
        "A relative Location",
        "A load balancer makes it absolute, with the host and the scheme of the request.",
    )
    TOLD_LENGTH = (
        "An unknown response length",
        "AWS receives the whole body and sends its length to the client, where a server would send chunks.",
    )
    NO_204_LENGTH = (
        "The Content-Length of a 204",
        "A response with this status must not have one (RFC 9110, 8.6).",
    )
    NO_BODY_LENGTH = (
        "The Content-Length of a response without a body",
        "CloudFront refuses results that set Content-Length, and without a body it cannot compute one.",
    )
    REFUSED_HEADER = (
        "Response headers that CloudFront sets",
        (
            "CloudFront answers 502 for a result that sets one of those that it disallows, such as Connection, "
            "X-Cache or X-Amz-Cf-Id. Whether it also refuses those that are read-only in requests is not documented. "
            "bridge drops both, and logs their names."
        ),
    )
    RESPONSE_LIMIT = (
        "Large responses",
        (
            "Lambda takes results of 6,291,556 bytes of JSON, in which binary bodies are a third longer; a load "
            "balancer takes 1 MB of JSON, CloudFront a response of 40 KB (viewer request) or 1 MB (origin request) "
            "with its headers. Where AWS would only report an error, the client gets a 500 that says why. Headers of "
            "more than 32 KB together are a load balancer's own 502."
        ),
    )
    HOP_BY_HOP = (
        "Response headers about the connection",
        ("They describe one connection (RFC 9110, 7.6.1), and AWS makes the connection to the client."),
    )

    @property
    def heading(self) -> str:
        return self.value[0]

    @property
    def text(self) -> str:
        return self.value[1]


@dataclass(frozen=True, kw_only=True)
class Loss:
    """One difference in one row, at some services. Everything else arrives as it was sent.

    `fields`: the values of fields of the application's report that differ. `gone` and `new`: headers that do not
    arrive, and headers that were not sent. `refused`: the status of an answer that does not come from the application.
    `path` and `raw_path` are without the stage.
    """

    why: Reason
    at: tuple[str, ...]
    fields: Mapping[str, object] = field(default_factory=dict)
    gone: Headers = ()
    new: Headers = ()
    refused: int | None = None


def header(name: str, *values: str) -> Headers:
    return tuple((name, value) for value in values)
