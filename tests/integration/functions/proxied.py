"""A Lambda function with Proxy: uvicorn serves the application SITE on the port SITE_PORT; or SITE_COMMAND does."""

import json
import os
import sys

from bridge import Proxy

port = os.environ["SITE_PORT"]
command = [sys.executable, "-m", "uvicorn", os.environ.get("SITE", ""), "--port", port, "--log-level", "warning"]
command = json.loads(os.environ.get("SITE_COMMAND", "null")) or command

handler = Proxy(command, port=int(port))
