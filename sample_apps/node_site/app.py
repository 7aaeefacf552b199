"""Word counts on AWS Lambda: Node serves them in its own process, and Proxy forwards every event to Node."""

from pathlib import Path

from bridge import Proxy

# The server listens on the port in PORT, which is AWS_LWA_PORT, or 8080.
handler = Proxy(["node", Path(__file__).with_name("server.js")])
