"""A function that starts processes which leave it."""

import subprocess
import sys
import time
from typing import Any

SLEEP = [sys.executable, "-S", "-c", "import time; time.sleep(120)"]
# A child whose parent ends, in a session of its own; it tells its id.
DAEMON = f"import subprocess; print(subprocess.Popen({SLEEP!r}, start_new_session=True, stdout=2).pid, flush=True)"
LARGE = "held = bytearray(400 << 20); import time; time.sleep(120)"


def handler(event: dict[str, Any], context: Any) -> Any:
    """Start what the event says, and return its process id; then stay, if the event says so."""
    pid = 0
    match event["start"]:
        case "session":
            pid = subprocess.Popen(SLEEP, start_new_session=True).pid
        case "daemon":
            pid = int(subprocess.run([sys.executable, "-S", "-c", DAEMON], stdout=subprocess.PIPE, check=True).stdout)
        case "large":
            pid = subprocess.Popen([sys.executable, "-S", "-c", LARGE], start_new_session=True).pid
    print(pid, flush=True)
    time.sleep(event.get("stay", 0))
    return pid
