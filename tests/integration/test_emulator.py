"""Bridge under awslambdaric and AWS's own Runtime Interface Emulator, invoked with boto3."""

import json
import os
import signal
from base64 import b64decode, b64encode
from typing import Any

import pytest

from tests.events import MISSING, load
from tests.integration.conftest import StartEmulator
from tests.integration.rie import Answer, Emulator


def request(method: str, path: str, **overrides: Any) -> dict[str, Any]:
    """A Function URL's event without cookies, query or body."""
    blank = {"rawQueryString": "", "cookies": MISSING, "headers": {}, "body": MISSING, "isBase64Encoded": False}
    return load("function_url", **{**blank, "rawPath": path, "requestContext__http__method": method, **overrides})


def test_smoke(shop: Emulator) -> None:
    for name in ("function_url", "rest_api", "alb", "alb_multi"):
        print(shop.invoke(load(name)))
    print(shop.invoke(request("GET", "/tickets")))
    print(shop.invoke(request("POST", "/reverse", body=b64encode(bytes(range(256))).decode(), isBase64Encoded=True)))
    print(shop.invoke(request("GET", "/broken")))
    print(shop.invoke(request("POST", "/restock")))
    print(shop.invoke(request("POST", "/reverse", body="*", isBase64Encoded=True)))
    print(shop.invoke({"Records": [{"eventSource": "aws:sqs", "body": "x"}]}))
    print(shop.journal())
    print(shop.wait_for_log("nothing of the kind"))

def test_bad(start_emulator: StartEmulator) -> None:
    e = start_emulator("broken_startup.handler")
    print(e.invoke(request("GET", "/")))
    print(e.invoke(request("GET", "/")))
    print(e.wait_for_log("nothing of the kind"))

def test_term(start_emulator: StartEmulator) -> None:
    e = start_emulator("shop.handler", AWS_EXECUTION_ENV="AWS_Lambda_python3.13")
    print(e.invoke(request("GET", "/tickets")))
    os.kill(e.runtime_pid(), signal.SIGTERM)
    try:
        e.wait_for_log("nothing of the kind")
    finally:
        print("J", e.journal())
