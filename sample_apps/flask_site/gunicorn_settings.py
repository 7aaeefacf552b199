"""Settings of gunicorn for one Lambda environment. https://docs.gunicorn.org/en/stable/settings.html"""

import os
from typing import Any

from werkzeug.middleware.proxy_fix import ProxyFix

chdir = os.path.dirname(os.path.abspath(__file__))
# One worker, because Lambda sends one event at a time. Threads, because the default worker closes every connection
# after its response.
workers, threads = 1, 2
# Longer than the 4 seconds that bridge keeps an idle connection.
keepalive = 10
# Room for a long URL, and for the headers about the invocation.
limit_request_line = limit_request_field_size = 8190
# Newer versions put a socket for gunicornc into the home directory; Lambda has none.
control_socket_disable = True


def post_worker_init(worker: Any) -> None:
    """Tell the site about its client, whose address, scheme and prefix are in headers from AWS and bridge."""
    worker.wsgi = ProxyFix(worker.wsgi, x_for=1, x_proto=1, x_host=0, x_prefix=1)
