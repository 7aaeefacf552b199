"""Notes: a FastAPI application with a database of its own, forms, uploads and a cookie."""

import os
import sqlite3
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from html import escape
from pathlib import Path
from typing import Annotated
from urllib.parse import quote, unquote

from fastapi import Cookie, Depends, FastAPI, Form, HTTPException, Request, UploadFile
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from pydantic import BaseModel

from bridge import Bridge

SCHEMA = """
CREATE TABLE IF NOT EXISTS notes (
    id INTEGER PRIMARY KEY, author TEXT NOT NULL, text TEXT NOT NULL, file_name TEXT, file BLOB
)
"""


class NewNote(BaseModel):
    author: str
    text: str


class Note(BaseModel):
    id: int
    author: str
    text: str
    file_name: str | None


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, sqlite3.Connection]]:
    """Open the database once for each Lambda environment, in its init phase; requests find it in their state."""
    path = os.environ.get("NOTES_DATABASE") or Path(tempfile.gettempdir(), "notes.db")
    # Queries run one at a time on the event loop. check_same_thread is off because any thread may run that loop.
    with closing(sqlite3.connect(path, check_same_thread=False)) as database:
        database.row_factory = sqlite3.Row
        database.execute(SCHEMA)
        yield {"database": database}


async def get_database(request: Request) -> sqlite3.Connection:
    database: sqlite3.Connection = request.state.database
    return database


Database = Annotated[sqlite3.Connection, Depends(get_database)]

app = FastAPI(title="Notes", lifespan=lifespan)


def add(database: sqlite3.Connection, note: NewNote, file_name: str | None = None, file: bytes | None = None) -> Note:
    with database:
        cursor = database.execute(
            "INSERT INTO notes (author, text, file_name, file) VALUES (?, ?, ?, ?) RETURNING id",
            (note.author, note.text, file_name, file),
        )
        (note_id,) = cursor.fetchone()
    return Note(id=note_id, author=note.author, text=note.text, file_name=file_name)


def find_all(database: sqlite3.Connection) -> list[Note]:
    return [Note(**row) for row in database.execute("SELECT id, author, text, file_name FROM notes ORDER BY id")]


@app.get("/")
async def home(request: Request, database: Database, author: Annotated[str, Cookie()] = "") -> HTMLResponse:
    """Return a page with the notes and a form, which contains the name of the last author in this browser."""
    items = "".join(_item(request, note) for note in find_all(database))
    return HTMLResponse(f"""<!doctype html>
<title>Notes</title>
<ul>{items}</ul>
<form method="post" action="{escape(str(request.url_for("create")))}" enctype="multipart/form-data">
<input name="author" placeholder="Your name" value="{escape(unquote(author))}" required>
<input name="text" placeholder="Your note" required>
<input name="file" type="file">
<button>Add</button>
</form>
""")


def _item(request: Request, note: Note) -> str:
    item = f"<li>{escape(note.author)}: {escape(note.text)}"
    if note.file_name is None:
        return item
    url = request.url_for("download", note_id=note.id)
    return f'{item} (<a href="{escape(str(url))}">{escape(note.file_name)}</a>)'


@app.post("/notes")
async def create(
    request: Request,
    database: Database,
    author: Annotated[str, Form()],
    text: Annotated[str, Form()],
    file: UploadFile | None = None,
) -> RedirectResponse:
    """Add the note of the form, with or without a file."""
    note = NewNote(author=author, text=text)
    # A browser sends an empty file without a name when none was chosen.
    if file is not None and file.filename:
        add(database, note, file.filename, await file.read())
    else:
        add(database, note)
    response = RedirectResponse(request.url_for("home"), status_code=303)
    # Quoted, because a cookie holds few characters beyond letters and digits.
    response.set_cookie("author", quote(note.author), httponly=True)
    return response


@app.get("/notes/{note_id}/file")
async def download(note_id: int, database: Database) -> Response:
    """Return the file, byte for byte. Browsers save it and never show it: it could be a page with a script."""
    row = database.execute("SELECT file_name, file FROM notes WHERE id = ?", (note_id,)).fetchone()
    if row is None or row["file"] is None:
        raise HTTPException(status_code=404, detail="No such file")
    disposition = f"attachment; filename*=UTF-8''{quote(row['file_name'], safe='')}"
    return Response(row["file"], headers={"content-disposition": disposition}, media_type="application/octet-stream")


@app.get("/api/notes")
async def list_notes(database: Database) -> list[Note]:
    return find_all(database)


@app.post("/api/notes", status_code=201)
async def create_note(note: NewNote, database: Database) -> Note:
    return add(database, note)


handler = Bridge(app)  # last: awslambdaric starts the application here
