#!/usr/bin/env python3
"""An external extension, named after its file, that prints what it is told. EXTENSION: what else it does.

"unnamed": it registers under another name. "crash": it ends at its first event. "late": it sleeps for so long that it
is killed. "deaf": it is told nothing.
"""

import json
import os
import sys
import time
import urllib.request
from typing import Any

BASE = f"http://{os.environ['AWS_LAMBDA_RUNTIME_API']}/2020-01-01/extension"
HOW = os.environ.get("EXTENSION", "")


def ask(path: str, headers: dict[str, str], body: bytes | None = None) -> tuple[Any, Any]:
    request = urllib.request.Request(BASE + path, body, headers, method="GET" if body is None else "POST")
    with urllib.request.urlopen(request) as response:
        return response.headers, json.load(response)


name = "another" if HOW == "unnamed" else os.path.basename(sys.argv[0])
events = ["INVOKE", "SHUTDOWN"] if HOW not in ("deaf", "unnamed") else []
if HOW == "exit":
    sys.exit(5)
headers, about = ask("/register", {"Lambda-Extension-Name": name}, json.dumps({"events": events}).encode())
print("extension: registered for", about["functionName"], "_HANDLER" in os.environ, os.getpid(), flush=True)
own = {"Lambda-Extension-Identifier": headers["Lambda-Extension-Identifier"]}
while True:
    _, event = ask("/event/next", own)
    left = event["deadlineMs"] / 1000 - time.time()
    about_it = event["shutdownReason"] if event["eventType"] == "SHUTDOWN" else event["requestId"]
    print(f"extension: {event['eventType']} {about_it} {0 < left < 60}", flush=True)
    if HOW == "crash":
        sys.exit(7)
    if event["eventType"] == "SHUTDOWN":
        if HOW == "late":
            time.sleep(60)
        break
