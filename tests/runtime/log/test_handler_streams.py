"""The standard streams of a runtime: nothing waits in them, and on Managed Instances they go to a socket."""

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

Run = Callable[..., Any]

SET_UP = """
import logging, os, sys
from bridge.runtime.log.handler import redirect_output, set_up_logging
output = set_up_logging(log_format="", log_level="", telemetry_fd=None)
"""


def test_lines_are_written_as_they_end_and_the_rest_on_demand(run_python: Run) -> None:
    for flush, written in (("", "a line\n"), ("output.flush()", "a line\na part")):
        code = f"""{SET_UP}
for stream in (sys.stdout, sys.stderr):
    stream.write("a line\\n")
    stream.write("a part")
{flush}
os._exit(0)
"""
        done = run_python(code, PYTHONUNBUFFERED="")
        assert (done.stdout, done.stderr) == (written, written)


def test_objects_that_are_not_files_are_left_as_they_are(run_python: Run) -> None:
    code = f"""import io, sys
closed = io.StringIO()
closed.close()
output = sys.stdout
for stream in (None, io.StringIO(), object(), closed):
    sys.stdout = sys.stderr = stream
    {SET_UP.replace("output = ", "log = ").strip().replace(chr(10), chr(10) + "    ")}
    log.flush()
output.write("done")
output.flush()
os._exit(0)  # Python itself wants streams that can be flushed
"""
    done = run_python(code)
    assert (done.returncode, done.stdout) == (0, "done")


def read_all(connection: socket.socket) -> bytes:
    with connection, connection.makefile("rb") as file:
        return file.read()


def test_output_is_redirected_to_a_connection_for_each_stream(start_python: Run, tmp_path: Path) -> None:
    path = str(tmp_path / "log.sock")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen()
        process = start_python(f"""{SET_UP}
sys.stdout.write("before")
redirect_output({path!r})
print("printed")
logging.warning("logged")
sys.stderr.write("an error\\n")
os.system("echo from a child process")
""")
        output, errors = (read_all(server.accept()[0]) for _ in range(2))
    stdout, stderr = process.communicate(timeout=30)
    assert (stdout, stderr, process.returncode) == ("before", "", 0)
    lines = output.decode().splitlines()
    assert (lines[0], lines[1].split("\t")[3], lines[2]) == ("printed", "logged", "from a child process")
    assert errors == b"an error\n"


REFUSED = """
try:
    redirect_output({path!r})
except OSError as exc:
    print(type(exc).__name__)
sys.stderr.write("an error")
"""


def test_output_stays_where_it_is_without_the_socket(run_python: Run, tmp_path: Path) -> None:
    done = run_python(SET_UP + REFUSED.format(path=str(tmp_path / "log.sock")))
    assert (done.stdout, done.stderr, done.returncode) == ("FileNotFoundError\n", "an error", 0)
