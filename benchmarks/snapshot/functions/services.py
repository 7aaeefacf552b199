"""Where the services of the machine are, and clients of its database that never open a connection again."""

import asyncio
import socket
from typing import Self

ORIGIN = "http://127.0.0.1:8001"
DATABASE = ("127.0.0.1", 8002)


class Database:
    """A connection. Raises ConnectionError if the server has closed it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._lock = asyncio.Lock()

    @classmethod
    async def connect(cls) -> Self:
        return cls(*await asyncio.open_connection(*DATABASE))

    async def query(self, text: str) -> str:
        async with self._lock:
            self._writer.write(f"{text}\n".encode())
            return _text(await self._reader.readline())

    async def close(self) -> None:
        self._writer.close()
        await self._writer.wait_closed()


class BlockingDatabase:
    """The same for code that is not asynchronous."""

    def __init__(self) -> None:
        self._socket = socket.create_connection(DATABASE)
        self._file = self._socket.makefile("rwb", buffering=0)

    def query(self, text: str) -> str:
        self._file.write(f"{text}\n".encode())
        return _text(self._file.readline())

    def close(self) -> None:
        self._file.close()
        self._socket.close()


def _text(line: bytes) -> str:
    if not line:
        raise ConnectionError("The database has closed the connection.")
    return line.decode().strip()
