"""The functions that live through the snapshot, and what is expected of each."""

from typing import Literal, NamedTuple

__all__ = ["CONTESTANTS", "SNAP_START", "Contestant"]

SNAP_START = {"AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start"}

_STREAM = {"AWS_LWA_INVOKE_MODE": "response_stream"}
_SLOTS = {"AWS_LAMBDA_MAX_CONCURRENCY": "4"}
_RESTART = {"SNAPSHOT": "restart-lifespan"}


class Contestant(NamedTuple):
    """`module`: of the folder `functions`. `methods`: of the requests that are sent concurrently.

    `expected`: how many of them fail after a restore.
    `is_primed`: it invokes itself just before the snapshot. What has no snapshot hooks is invoked from outside instead.
    """

    name: str
    module: str
    environ: dict[str, str]
    methods: tuple[str, ...]
    expected: Literal["all", "none"]
    is_primed: bool = False
    path: str = "/"

    @property
    def has_own_server(self) -> bool:
        return self.module == "started"

    @property
    def is_snap_start(self) -> bool:
        return SNAP_START.items() <= self.environ.items()


def _both_methods(
    name: str, module: str, environ: dict[str, str], expected: Literal["all", "none"]
) -> list[Contestant]:
    """One function for each method: the first request of each is the one that meets an old connection."""
    return [
        Contestant(f"{name}, {method}", module, environ, (method,), expected, is_primed=bool(environ))
        for method in ("GET", "POST")
    ]


CONTESTANTS = [
    *_both_methods("a stock `httpx` pool", "stock", {}, "all"),
    *_both_methods("`Proxy`", "forwarded", {}, "none"),
    *_both_methods("`Proxy` under SnapStart", "forwarded", SNAP_START, "none"),
    Contestant("`Proxy`, a server that it starts", "started", SNAP_START, ("GET",), "none", is_primed=True),
    Contestant("`Proxy`, a stream", "forwarded", _STREAM, ("GET",), "none"),
    Contestant("`Proxy`, 4 slots", "forwarded", _SLOTS, ("GET", "POST", "GET", "POST"), "none"),
    Contestant("`Bridge`, nothing done about the lifespan", "lifespan", SNAP_START, ("GET",), "all", is_primed=True),
    Contestant(
        '`Bridge(snapshot="restart-lifespan")`',
        "lifespan",
        SNAP_START | _RESTART,
        ("GET",),
        "none",
        is_primed=True,
    ),
    Contestant(
        "the same, 4 slots, streams",
        "lifespan",
        SNAP_START | _RESTART | _STREAM | _SLOTS,
        ("GET",) * 4,
        "none",
        is_primed=True,
        path="/stream",
    ),
    Contestant("`Bridge`, hooks of the application", "hooks", SNAP_START, ("GET",), "none", is_primed=True),
    Contestant(
        "`Bridge`, 2 workers, nothing done",
        "lifespan",
        SNAP_START | _SLOTS | {"BRIDGE_WORKERS": "2"},
        ("GET",) * 4,
        "none",
    ),
]
