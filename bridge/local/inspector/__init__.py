"""The page of the gateway: every invocation, and buttons to repeat it. The gateway mounts it at /_bridge/.

`page`, `list_page`, `detail_page`, `compare_page`, `send_page` and `test_page` make HTML of values, with `elements` and
`documents`; `search`, `timeline`, `scopes`, `difference` and `saved_test` make those values of invocations. All of them
are pure. `routes` and `actions` answer requests, `feed` tells pages what has changed, and `application` joins them.
"""

from bridge.local.inspector.application import Inspector

__all__ = ["Inspector"]
