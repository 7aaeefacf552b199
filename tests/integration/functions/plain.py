"""A plain Lambda handler: it tells what it was given and where it runs, and can wait for what happens outside."""

import os
import time
from pathlib import Path
from typing import Any

journal = Path(os.environ["JOURNAL"])


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    with journal.open("a", encoding="utf-8") as file:
        file.write(f"{event['name']}\n")
    if "until" in event:
        wait_for_line(event["until"])
    return {
        "name": event["name"],
        "process": os.getpid(),
        "user": [os.getuid(), os.getgid()],
        "folder": str(Path.cwd()),
        "can_write": os.access(Path.cwd(), os.W_OK),
        "custom": context.client_context and context.client_context.custom,
        "trace": os.environ.get("_X_AMZN_TRACE_ID"),
        "tenant": getattr(context, "tenant_id", None),
    }


def wait_for_line(line: str) -> None:
    """Poll: nothing reports that a file has grown."""
    while line not in journal.read_text(encoding="utf-8").splitlines():
        time.sleep(0.005)
