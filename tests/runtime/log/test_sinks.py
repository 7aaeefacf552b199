"""Where the log goes: whole messages, in whole frames, or on stderr with the reason."""

import fcntl
import io
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from bridge.runtime.log.sinks import StandardSink, TelemetrySink
from tests.runtime.frames import Pipe, parse_frames

INFO = bytes.fromhex("a55a000f")
UNTYPED = bytes.fromhex("a55a0003")

F_SETPIPE_SZ = 1031  # linux/fcntl.h

Run = Callable[..., Any]


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    made = Pipe()
    yield made
    made.close_reader()


@pytest.fixture
def sink(pipe: Pipe) -> Iterator[TelemetrySink]:
    made = TelemetrySink(pipe.writer, threading.RLock())
    yield made
    made.close()


def test_a_frame_has_type_length_time_and_message(pipe: Pipe, sink: TelemetrySink) -> None:
    before = time.time_ns() // 1000
    sink.log("caf\u00e9\n", INFO)
    after = time.time_ns() // 1000
    sink.close()
    data = pipe.read_to_end()
    assert data[:8] == bytes.fromhex("a55a000f 00000006")
    assert before <= int.from_bytes(data[8:16], "big") <= after
    assert data[16:] == "caf\u00e9\n".encode()


def test_a_message_that_is_not_utf8_is_shown_with_its_codes(pipe: Pipe, sink: TelemetrySink) -> None:
    sink.log("a\udc80b")
    sink.close()
    assert parse_frames(pipe.read_to_end()) == [(UNTYPED, "a\\udc80b")]


@pytest.mark.parametrize("blocking", [True, False])
def test_a_frame_is_written_whole_though_the_descriptor_takes_it_in_parts(
    pipe: Pipe, sink: TelemetrySink, blocking: bool
) -> None:
    fcntl.fcntl(pipe.writer, F_SETPIPE_SZ, 4096)
    os.set_blocking(pipe.writer, blocking)
    messages = ["x" * 300_000, "y" * 10_000, "z"]
    with pipe.reading() as data:
        for message in messages:
            sink.log(message, INFO)
        sink.close()
    assert parse_frames(data()) == [(INFO, message) for message in messages]


def test_frames_of_several_threads_do_not_mix(pipe: Pipe, sink: TelemetrySink) -> None:
    fcntl.fcntl(pipe.writer, F_SETPIPE_SZ, 4096)
    os.set_blocking(pipe.writer, False)
    letters = "abcd"
    start = threading.Barrier(len(letters))

    def log(letter: str) -> None:
        start.wait()
        for _ in range(20):
            sink.log(letter * 9000, INFO)

    with pipe.reading() as data:
        with ThreadPoolExecutor(len(letters)) as threads:
            list(threads.map(log, letters))
        sink.close()
    expected = [(INFO, letter * 9000) for letter in letters for _ in range(20)]
    assert sorted(parse_frames(data())) == expected


def test_a_signal_handler_that_logs_waits_for_the_frame_it_interrupts(pipe: Pipe, sink: TelemetrySink) -> None:
    fcntl.fcntl(pipe.writer, F_SETPIPE_SZ, 4096)
    handled = threading.Event()
    data = bytearray()

    def log_and_tell(*_: object) -> None:
        sink.log("interruption", INFO)
        handled.set()

    def interrupt_and_read() -> None:
        data.extend(os.read(pipe.reader, 1))  # a part of the frame is written, and the rest has no room
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)
        handled.wait(30)
        data.extend(pipe.read_to_end())

    before = signal.signal(signal.SIGUSR1, log_and_tell)
    thread = threading.Thread(target=interrupt_and_read)
    thread.start()
    sink.log("x" * 100_000, INFO)
    sink.close()
    thread.join()
    signal.signal(signal.SIGUSR1, before)
    assert handled.is_set()
    assert parse_frames(bytes(data)) == [(INFO, "x" * 100_000), (INFO, "interruption")]


def test_a_forked_child_logs_though_a_thread_of_its_parent_is_in_the_middle_of_a_frame(run_python: Run) -> None:
    done = run_python(FORK)
    assert (done.returncode, done.stdout, done.stderr) == (0, "a55a000f 'child'\n", "")


FORK = """
import fcntl, os, sys, threading, warnings
from bridge.runtime.log.handler import LambdaLoggerHandlerWithFrameType
warnings.simplefilter("ignore")  # Python 3.12 and later: against forks beside threads
reader, writer = os.pipe()
handler = LambdaLoggerHandlerWithFrameType(as_json=False, telemetry_fd=writer)
log = handler.log_sink.log
thread = threading.Thread(target=log, args=("x" * 1_000_000,), daemon=True)
thread.start()
os.read(reader, 1)
other_reader, other_writer = os.pipe()
if os.fork() == 0:
    os.dup2(other_writer, writer)
    log("child", bytes.fromhex("a55a000f"))
    os._exit(0)
status = os.wait()[1]
os.close(other_writer)
frame = os.read(other_reader, 1000)
print(frame[:4].hex(), repr(frame[16:].decode()), flush=True)
os._exit(os.waitstatus_to_exitcode(status))
"""


def test_messages_that_cannot_be_written_are_on_stderr_with_the_reason(
    pipe: Pipe, sink: TelemetrySink, capfd: pytest.CaptureFixture[str]
) -> None:
    pipe.close_reader()
    sink.log("one\udc80\n", INFO)
    sink.close()
    sink.close()
    sink.log("late")
    first, _, second, _ = capfd.readouterr().err.split("\n")
    assert ("Broken pipe" in first, first.endswith(": one\\udc80")) == (True, True)
    assert ("Bad file descriptor" in second, second.endswith(": late")) == (True, True)


@pytest.fixture
def standard() -> StandardSink:
    return StandardSink(threading.RLock())


def test_the_standard_output_gets_lines(standard: StandardSink, capsys: pytest.CaptureFixture[str]) -> None:
    standard.log("one\n", INFO)
    standard.log("two")
    standard.log_lines(["three", "four"], INFO)
    standard.close()
    assert capsys.readouterr() == ("one\ntwo\nthree\rfour\n", "")


def test_it_is_the_standard_output_of_the_moment(standard: StandardSink, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = io.StringIO(), io.StringIO()
    monkeypatch.setattr(sys, "stdout", first)
    standard.log("one")
    monkeypatch.setattr(sys, "stdout", second)
    standard.log("two")
    assert (first.getvalue(), second.getvalue()) == ("one\n", "two\n")


def test_the_standard_output_gets_the_codes_of_what_utf8_does_not_have(
    standard: StandardSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BufferedWriter(raw), encoding="utf-8"))
    standard.log("caf\u00e9 \udc80")
    assert raw.getvalue() == "caf\u00e9 \\udc80\n".encode()  # immediately


def test_a_standard_output_that_can_only_write_is_enough(
    standard: StandardSink, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    class Output:
        def __init__(self) -> None:
            self.written: list[str] = []
            self.write = self.written.append

    output = Output()
    monkeypatch.setattr(sys, "stdout", output)
    standard.log("one")
    assert (output.written, capfd.readouterr().err) == (["one\n"], "")


def closed() -> io.StringIO:
    stream = io.StringIO()
    stream.close()
    return stream


def test_without_a_standard_output_stderr_has_it(
    standard: StandardSink, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for stream in (closed(), None):
        monkeypatch.setattr(sys, "stdout", stream)
        standard.log("one")
        assert capfd.readouterr().err.endswith(": one\n")
