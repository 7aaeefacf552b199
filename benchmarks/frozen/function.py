"""A function's process: `Proxy` in front of the server whose command are the arguments, after its port.

It answers the requests that are named on stdin, each on a line: method and number. For each it writes a line: the
status, how many requests were sent once more so far, and the body.
"""

import logging
import sys
from typing import Any

from bridge import Proxy

DOMAIN = "abc.lambda-url.eu-west-1.on.aws"


class Repeats(logging.Handler):
    """Counts the lines about a request that is sent once more."""

    count = 0

    def emit(self, record: logging.LogRecord) -> None:
        if record.getMessage().startswith("Repeating"):
            self.count += 1


def event(method: str, path: str) -> dict[str, Any]:
    """Return the event of a Function URL."""
    http = {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "203.0.113.7"}
    return {
        "version": "2.0",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {"host": DOMAIN, "content-type": "text/plain"},
        "requestContext": {"domainName": DOMAIN, "stage": "$default", "http": http},
        "body": "10 euros" if method == "POST" else "",
        "isBase64Encoded": False,
    }


def main() -> None:
    repeats = Repeats()
    logger = logging.getLogger("bridge")
    logger.addHandler(repeats)
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    handler = Proxy(sys.argv[2:], port=int(sys.argv[1]))
    try:
        for line in sys.stdin:
            method, number = line.split()
            result = handler(event(method, f"/{number}"), None)
            print(result["statusCode"], repeats.count, result["body"], flush=True)
    finally:
        handler.close()


if __name__ == "__main__":
    main()
