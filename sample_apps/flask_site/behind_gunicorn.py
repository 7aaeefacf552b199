"""The album with a web server: gunicorn serves it in its own process, and Proxy forwards every event to gunicorn."""

import sys
import tempfile
from pathlib import Path

from bridge import Proxy

SETTINGS = Path(__file__).with_name("gunicorn_settings.py")
# A UNIX socket is faster than a port, and no other program can have taken it.
SOCKET = f"{tempfile.mkdtemp()}/gunicorn.sock"

# `python -m`, because the scripts that `pip install --target` writes into a zip file do not run on Lambda.
handler = Proxy(
    [sys.executable, "-m", "gunicorn", "--config", SETTINGS, "--bind", f"unix:{SOCKET}", "app:app"], uds=SOCKET
)
