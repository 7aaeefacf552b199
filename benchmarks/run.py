"""Measure bridge beside its alternatives, and print the tables: `python benchmarks/run.py --help` lists the parts.

It asserts nothing about time: it ends with 0 whatever the figures are. A part that breaks, or that gets a wrong answer,
is not measured, and the output says why.
"""

import argparse
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

# The project's folder in place of this one, whose modules must not be found under their bare names.
sys.path.pop(0)
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import (
    big_bodies,
    cold_starts,
    imports,
    invocations,
    lambda_transport,
    local_gateway,
    own_cost,
    proxy_hop,
    slot_memory,
    streams,
    web_adapter,
    wsgi,
)
from benchmarks.document import of_readme, with_figures
from benchmarks.machine import complaint, keep_memory, machine_lines
from benchmarks.tables import Table, as_markdown, not_measured

# `quick`: few rounds, to see that a part runs.
PARTS: dict[str, tuple[Callable[[bool], list[Table]], str]] = {
    "own-cost": (own_cost.tables, "a small body, warm: what each handler costs beyond the application, per source"),
    "big-bodies": (big_bodies.tables, "1 MB bodies, warm: beside the base64 or UTF-8 work alone"),
    "invocations": (invocations.tables, "warm invocations under AWS's emulator, beside awslambdaric and Mangum"),
    "cold-starts": (cold_starts.tables, "the first invocation under AWS's emulator, beside awslambdaric and Mangum"),
    "imports": (imports.tables, "imports: CPU time and instructions"),
    "proxy": (proxy_hop.tables, "Proxy in front of uvicorn, warm: over TCP and UNIX sockets, with and without a pool"),
    "wsgi": (wsgi.tables, "WSGI, a small body, warm: beside serverless-wsgi, apig-wsgi, and Proxy with gunicorn"),
    "web-adapter": (web_adapter.tables, "Proxy and Bridge under AWS's emulator, beside Lambda Web Adapter"),
    "memory": (slot_memory.tables, "the memory of many slots on Managed Instances"),
    "lambda-transport": (lambda_transport.tables, "bridge.testing's LambdaTransport, beside Starlette's TestClient"),
    "local": (local_gateway.tables, "the local gateway: a request, the first answer, a reload"),
    "streams": (streams.tables, "streamed responses: the first byte, and the whole"),
}


def main() -> None:
    arguments = _parser().parse_args()
    if (reason := complaint()) and not arguments.quick:
        sys.exit(reason)
    kept = keep_memory()
    lines = [*machine_lines(), f"Freed memory is {'kept by the process' if kept else 'handled as the C library does'}."]
    if arguments.quick:
        lines += ["A quick run: it shows that everything runs. Its figures are not for publication.", reason]
    figures = {"machine": "\n".join(filter(None, lines))}
    print(figures["machine"], flush=True)
    for name in arguments.parts or PARTS:
        sys.stderr.write(f"measuring {name}\n")
        figures[name] = "\n\n".join(map(as_markdown, _measured(name, arguments.quick)))
        print(f"\n{figures[name]}", flush=True)
    if arguments.write:
        document = with_figures(arguments.write.read_text(encoding="utf-8"), figures)
        arguments.write.write_text(document, encoding="utf-8")
        print(f"\n{of_readme(document)}")


def _measured(name: str, quick: bool) -> list[Table]:
    """The tables of one part. One that breaks is reported, and does not cost the others' figures."""
    try:
        return PARTS[name][0](quick)
    except Exception as exc:
        traceback.print_exc()
        return [not_measured(name, f"{type(exc).__name__}: {exc}".partition("\n")[0])]


def _parser() -> argparse.ArgumentParser:
    width = max(map(len, PARTS)) + 2
    parts = "\n".join(f"  {name:{width}}{text}" for name, (_, text) in PARTS.items())
    parser = argparse.ArgumentParser(
        prog="benchmarks/run.py",
        description="Measure bridge beside its alternatives, and print the tables in Markdown.",
        epilog=f"parts, all of them by default:\n{parts}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("parts", nargs="*", metavar="part", type=_part, help="what to measure, in this order")
    parser.add_argument("--quick", action="store_true", help="few rounds: seconds for each part")
    parser.add_argument(
        "--write", type=Path, metavar="FILE", help="put the figures into this document, docs/benchmarks.md, as well"
    )
    return parser


def _part(name: str) -> str:
    if name not in PARTS:
        raise argparse.ArgumentTypeError(f"Expected one of {', '.join(PARTS)}, but got {name!r}.")
    return name


if __name__ == "__main__":
    main()
