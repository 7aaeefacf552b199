"""The album on AWS Lambda: gunicorn serves it in a process of its own, and Proxy forwards to it."""

import sys
import tempfile
from pathlib import Path

from bridge import Proxy

SETTINGS = Path(__file__).with_name("gunicorn_settings.py")
# A UNIX socket is quicker than a port, and nothing else can have it.
SOCKET = f"{tempfile.mkdtemp()}/gunicorn.sock"

# `python -m`, because `pip install --target`, which packs a zip for Lambda, leaves no script that would run there.
handler = Proxy(
    [sys.executable, "-m", "gunicorn", "--config", SETTINGS, "--bind", f"unix:{SOCKET}", "album:app"], uds=SOCKET
)
