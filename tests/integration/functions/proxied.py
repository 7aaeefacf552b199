"""A Lambda function with Proxy: uvicorn serves the application SITE on the port SITE_PORT."""

import os
import sys

from bridge import Proxy

port = os.environ["SITE_PORT"]
command = [sys.executable, "-m", "uvicorn", os.environ["SITE"], "--port", port, "--log-level", "warning"]

handler = Proxy(command, port=int(port))
