"""A runtime that asks the Runtime API for what it should refuse. It notes each answer in the file JOURNAL."""

import http.client
import json
import os
from typing import Any

ADDRESS, JOURNAL = os.environ["AWS_LAMBDA_RUNTIME_API"], os.environ["JOURNAL"]
RUNTIME, EXTENSION = "/2018-06-01/runtime", "/2020-01-01/extension"
UNKNOWN = "85083764-ff1e-476f-ada1-d51f26e4f6b4"

seen: dict[str, Any] = {}


def ask(method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, Any, bytes]:
    connection = http.client.HTTPConnection(ADDRESS)
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, body, sent)
    response = connection.getresponse()
    content = response.read()
    connection.close()
    return response.status, response.headers, content


def note(name: str, method: str, path: str, body: bytes = b"", **headers: str) -> None:
    status, _, content = ask(method, path, body, **headers)
    try:
        document = json.loads(content)
    except ValueError:
        document = None
    is_object = isinstance(document, dict) and status != 404  # which the emulator answers with text
    seen[name] = [status, document.get("errorType") or document.get("status") if is_object else None]


def register(name: str, body: bytes) -> None:
    note(f"register {name!r} {body!r}", "POST", EXTENSION + "/register", body, Lambda_Extension_Name=name)


for name, body in [("", b"{}"), ("a", b"{"), ("a", b'{"events": ["SHUTDOWN"]}'), ("a", b'{"events": ["OTHER"]}')]:
    register(name, body)
status, headers, content = ask("POST", EXTENSION + "/register", b"{}", Lambda_Extension_Name="inner")
seen["registered"] = [status, sorted(json.loads(content))]
own = {"Lambda_Extension_Identifier": headers["Lambda-Extension-Identifier"]}
register("inner", b"{}")
for path in ("event/next", "init/error", "exit/error"):
    method = "GET" if path == "event/next" else "POST"
    for identifier in ("", "x", UNKNOWN):
        note(f"{path} {identifier!r}", method, f"{EXTENSION}/{path}", Lambda_Extension_Identifier=identifier)
note("exit/error without a type", "POST", EXTENSION + "/exit/error", **own)
note("telemetry", "PUT", "/2022-07-01/telemetry", b"{}", **own)
note("logs", "PUT", "/2020-08-15/logs", b"{}", **own)
note("restore/next", "GET", RUNTIME + "/restore/next")
note("restore/error", "POST", RUNTIME + "/restore/error", b"{}")
polling = http.client.HTTPConnection(ADDRESS)
polling.request("GET", EXTENSION + "/event/next", headers={"Lambda-Extension-Identifier": own.popitem()[1]})
_, headers, content = ask("GET", RUNTIME + "/invocation/next")
invocation = f"{RUNTIME}/invocation/{headers['Lambda-Runtime-Aws-Request-Id']}"
seen["headers"] = sorted(name.lower() for name in headers if name.lower().startswith("lambda-runtime-"))
note("a second event", "GET", RUNTIME + "/invocation/next")
register("late", b"{}")
note("init/error", "POST", RUNTIME + "/init/error", b"{}")
note("unknown id", "POST", f"{RUNTIME}/invocation/{UNKNOWN}/response", b"{}")
note("response", "POST", invocation + "/response", b"{}")
note("response again", "POST", invocation + "/response", b"{}")
note("error again", "POST", invocation + "/error", b"{}")
with open(JOURNAL + ".new", "w") as file:
    json.dump(seen, file)
os.rename(JOURNAL + ".new", JOURNAL)
ask("GET", RUNTIME + "/invocation/next")
