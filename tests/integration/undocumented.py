"""What AWS does not document, for docs/fidelity.md: what the bridge does there, and why."""

from typing import NamedTuple

__all__ = ["UNDOCUMENTED", "Choice"]


class Choice(NamedTuple):
    """One open question. `where`: the services. `choice`: what the bridge does. `why`: the reason, or the evidence."""

    question: str
    where: str
    choice: str
    why: str


UNDOCUMENTED = (
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
        "Lambda@Edge documents that it takes 200 to 599: elsewhere it is the client's 500, with a log line",
    ),
    Choice(
        "Does the Content-Length of a response to HEAD, or of a 304, arrive?",
        "all but Lambda@Edge",
        "it is passed on in a buffered result, and left out of the prelude of a stream",
        "it is the length of another response (RFC 9110, 8.6), and AWS computes that of every other one",
    ),
)
