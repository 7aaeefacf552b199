"""Bytes of HTTP responses with some faults, and in any pieces."""

from hypothesis import strategies as st

__all__ = ["broken", "cut"]

_FRAGMENTS = [
    *[
        b"\r\n",
        b"\n",
        b"\r",
        b"\r\n\r\n",
        b"\n\n",
        b"\0",
        b" ",
        b"\t",
        b":",
        b",",
        b";",
        b"\xff",
        b"0",
        b"1",
        b"ff",
        b"-1",
    ],
    *[
        b"+1",
        b"0x1",
        b"1_0",
        b"9" * 25,
        b"content-length: 1\r\n",
        b"Content-Length: 2\r\n",
        b"transfer-encoding: chunked\r\n",
    ],
    *[
        b"Transfer-Encoding: gzip, chunked\r\n",
        b"connection: close\r\n",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.0 ",
        b"HTTP/2 ",
    ],
    *[
        b"HTTP/1.1 103 Early Hints\r\n\r\n",
        b"HTTP/1.1 101 Switching\r\n\r\n",
        b"204",
        b"304",
        b"100",
        b"0\r\n\r\n",
        b"2\r\nok\r\n",
    ],
]

# At a place in the bytes: remove some, insert a fragment or any bytes, or repeat what stands there.
_operations = st.tuples(
    st.integers(0, 10_000),
    st.sampled_from(["remove", "insert", "repeat"]),
    st.integers(0, 12),
    st.sampled_from(_FRAGMENTS) | st.binary(max_size=4),
)


def broken(originals: list[bytes]) -> st.SearchStrategy[bytes]:
    """Return a strategy for one of `originals` with up to three faults."""
    return st.builds(_changed, st.sampled_from(originals), st.lists(_operations, max_size=3))


def _changed(data: bytes, operations: list[tuple[int, str, int, bytes]]) -> bytes:
    for number, kind, size, fragment in operations:
        at = number % (len(data) + 1)
        if kind == "remove":
            data = data[:at] + data[at + size :]
        elif kind == "insert":
            data = data[:at] + fragment + data[at:]
        else:
            data = data[: at + size] + data[at:]
    return data


def cut(data: bytes, size: int) -> list[bytes]:
    """Return `data` in pieces of `size` bytes."""
    return [data[start : start + size] for start in range(0, len(data), size)]
