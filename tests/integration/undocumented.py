"""What AWS does not document, for docs/fidelity.md: what bridge does there, and why."""

from typing import NamedTuple

__all__ = ["OPEN_REQUESTS", "OPEN_RESPONSES", "Choice"]


class Choice(NamedTuple):
    """One open question. `where`: the services. `choice`: what bridge does. `why`: the reason, or the evidence."""

    question: str
    where: str
    choice: str
    why: str


OPEN_REQUESTS = (
    Choice(
        "Which bytes did the text of a header come from?",
        "all but Lambda@Edge",
        "text whose latin-1 bytes are UTF-8 beyond ASCII is those bytes, all other text is UTF-8",
        (
            "reports show UTF-8 ([hono#4432](https://github.com/honojs/hono/issues/4432)), and U+FFFD for other bytes "
            "([astro-aws#155](https://github.com/lukeshay/astro-aws/issues/155)); CloudFront's documentation says "
            "UTF-8, but a user saw latin-1 there "
            "([pwa-kit#1739](https://github.com/SalesforceCommerceCloud/pwa-kit/pull/1739)); "
            "the client's UTF-8 arrives after both"
        ),
    ),
    Choice(
        "Is `path` the client's spelling, or encoded anew after it was decoded?",
        "HTTP API 1.0",
        "it is taken as sent, and decoded once",
        "it was measured to be percent-encoded; `%2F` and `%25` were not tried",
    ),
    Choice(
        "Does `rawPath` begin with a named stage behind a custom domain?",
        "HTTP API 2.0",
        "the stage is taken off, unless the route shows that the segment is the client's",
        "users report that it does (serverless-express#465, powertools-lambda-python#579)",
    ),
    Choice(
        "Which Content-Type has a request without a body?",
        "HTTP APIs",
        "that of the event; none is added or removed",
        (
            "[AWS's notes](https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-known-issues.html) "
            "say that one is added, but not which; published events do not have it"
        ),
    ),
    Choice(
        "Are path and query encoded?",
        "VPC Lattice",
        "they are taken as sent; only what would break the query string is encoded",
        "a load balancer passes them on as the client sent them; if Lattice does too, nothing is lost",
    ),
    Choice(
        "What happens to `%00`, `/../` and bytes that are not UTF-8 in a path?",
        "all but Lambda@Edge",
        "they are passed on as the event has them",
        "an application has to decide it behind any server",
    ),
    Choice(
        "Do CONNECT and TRACE arrive?",
        "all; a load balancer answers TRACE with 405 itself",
        "CONNECT is answered with 501, TRACE is passed on",
        "the content of CONNECT has no meaning (RFC 9110, 9.3.6), and a web server could read it as a second request",
    ),
    Choice(
        "What becomes of a body that has a text type and is not UTF-8?",
        "all but REST APIs and Lambda@Edge",
        "the text of the event is passed on as UTF-8",
        "the event has nothing else; the tests assume U+FFFD for the other bytes",
    ),
)

OPEN_RESPONSES = (
    Choice(
        "Which bytes does the text of a response header become?",
        "all",
        "bytes of the application that are UTF-8 become the text that they spell, others latin-1",
        "events show that requests are read as UTF-8; with it the application's UTF-8 arrives unchanged",
    ),
    Choice(
        "Is there a field for several Set-Cookie?",
        "VPC Lattice v2",
        "`headers` has a list under `set-cookie`; a single cookie is a string",
        (
            "[AWS's page](https://docs.aws.amazon.com/vpc-lattice/latest/ug/lambda-functions.html) says that a "
            "response may repeat a header, and shows lists in events; its sample has one `Set-cookie` in `headers`"
        ),
    ),
    Choice(
        "Is there a field for several Set-Cookie?",
        "VPC Lattice v1",
        "the last one is sent, and a log line names the others",
        "values of this version are strings, and joined cookies would be one broken cookie",
    ),
    Choice(
        "Do several spellings of Set-Cookie in `headers` each become a header?",
        "ALB without multi-value headers",
        "each cookie has a spelling of its own, up to 512",
        "users report that it works; the documented way is to enable multi-value headers, as a log line says",
    ),
    Choice(
        "Do the read-only headers of requests bind a generated response?",
        "Lambda@Edge",
        "they are dropped, and logged except for Content-Length",
        "a response that CloudFront refuses is a 502 for the client",
    ),
    Choice(
        "Does the size of a response count base64?",
        "Lambda@Edge",
        "the bytes that the client gets are counted",
        "nothing is refused that might pass; the quota speaks of headers and body",
    ),
    Choice(
        "Is 1 MB of JSON 1,000,000 or 1,048,576 bytes?",
        "ALB",
        "1,048,576",
        "nothing is refused that might pass",
    ),
    Choice(
        "Which response headers are renamed?",
        "Function URL",
        "all are passed on",
        "WWW-Authenticate was seen renamed, and Content-Length in the prelude of a stream",
    ),
    Choice(
        "What does the client get for a status below 200 or above 599?",
        "all but Lambda@Edge",
        "the status is passed on, without a body below 200",
        "Lambda@Edge takes 200 to 599, as documented: there the client gets a 500, and a log line says why",
    ),
    Choice(
        "How long may the prelude of a stream be?",
        "Function URL",
        "16 KB; a longer one is a 500 that says so",
        "it is the documented limit of REST APIs",
    ),
    Choice(
        "Does the Content-Length of a response to HEAD, or of a 304, arrive?",
        "all but Lambda@Edge",
        "it is passed on in a buffered result, and left out of the prelude of a stream",
        "it is the length of another response (RFC 9110, 8.6), and AWS computes that of every other one",
    ),
)
