"""Album: a Flask site with sessions, a form, uploads and downloads. Only its last lines are specific to Lambda."""

import os
import secrets
import sqlite3
import tempfile
from contextlib import closing
from io import BytesIO
from pathlib import Path

from flask import Flask, Response, abort, flash, g, redirect, render_template, request, send_file, session, url_for
from werkzeug.wrappers import Response as AnyResponse

from bridge import Bridge

SCHEMA = """
CREATE TABLE IF NOT EXISTS pictures (
    id INTEGER PRIMARY KEY, owner TEXT NOT NULL, caption TEXT NOT NULL, file_name TEXT NOT NULL, file BLOB NOT NULL
)
"""

app = Flask(__name__)
app.config.update(
    # Without ALBUM_SECRET_KEY every environment makes its own key, and rejects the sessions of the others.
    SECRET_KEY=os.environ.get("ALBUM_SECRET_KEY") or secrets.token_bytes(32),
    SESSION_COOKIE_SECURE=True,
    SESSION_COOKIE_SAMESITE="Lax",  # the session is not sent with another site's form
    # Lambda accepts events of 6 MB, and base64 turns 4.5 MB into 6 MB.
    MAX_CONTENT_LENGTH=4_500_000,
)


def get_database() -> sqlite3.Connection:
    """Return this request's own connection: a web server runs requests in several threads."""
    if "database" not in g:
        path = os.environ.get("ALBUM_DATABASE") or Path(tempfile.gettempdir(), "album.db")
        g.database = sqlite3.connect(path)
        g.database.row_factory = sqlite3.Row
        g.database.execute(SCHEMA)
    database: sqlite3.Connection = g.database
    return database


@app.teardown_appcontext
def close_database(_: BaseException | None) -> None:
    if "database" in g:
        g.database.close()


@app.get("/")
def home() -> str:
    """Show the pictures, and a form for a new one, or to sign in. The template escapes all text."""
    with closing(get_database().execute("SELECT id, owner, caption, file_name FROM pictures ORDER BY id")) as pictures:
        return render_template("album.html", name=session.get("name"), pictures=pictures.fetchall())


@app.post("/sign-in")
def sign_in() -> AnyResponse:
    session["name"] = request.form["name"]
    return redirect(url_for("home"), 303)


@app.post("/sign-out")
def sign_out() -> AnyResponse:
    session.clear()
    return redirect(url_for("home"), 303)


@app.post("/pictures")
def add() -> AnyResponse:
    if "name" not in session:
        abort(403)
    file = request.files["file"]
    with get_database() as database:
        database.execute(
            "INSERT INTO pictures (owner, caption, file_name, file) VALUES (?, ?, ?, ?)",
            (session["name"], request.form["caption"], file.filename, file.read()),
        )
    flash(f"{file.filename} is in the album.")
    return redirect(url_for("home"), 303)


@app.get("/pictures/<int:number>")
def download(number: int) -> Response:
    """Return the file, byte for byte. Browsers save it and never show it: it could be a page with a script."""
    row = get_database().execute("SELECT file_name, file FROM pictures WHERE id = ?", (number,)).fetchone()
    if row is None:
        abort(404)
    return send_file(
        BytesIO(row["file"]), "application/octet-stream", as_attachment=True, download_name=row["file_name"]
    )


handler = Bridge(app)
