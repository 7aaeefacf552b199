"""`python -m bridge event ...`: the event that a service makes of a request, and events that are not HTTP requests."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, get_args

import click

from bridge._httpx import httpx
from bridge.cli import templates
from bridge.testing import LambdaTransport
from bridge.testing.services import ServiceName, service_of
from bridge.testing.strict_json import strict_json

__all__ = ["event"]


@click.group()
def event() -> None:
    """Print an event: of an HTTP request at a service, or of SQS, SNS, S3 and others.

    What it prints is accepted by 'python -m bridge invoke MODULE:APP -', 'sam local invoke -e -' and the emulator.
    """


_Given = dict[str, Any]


def _http_command(source: ServiceName) -> click.Command:
    """Return the command for one service, with the options that the service has."""

    def command(
        method: str, url: str, header: tuple[str, ...], data: tuple[str, ...], data_binary: str | None, **options: Any
    ) -> None:
        made: list[_Given] = []

        def note(event: _Given, context: Any) -> _Given:
            made.append(event)
            return {"statusCode": 200, "status": "200"}

        if "authorizer" in options and options["authorizer"] is not None:
            options["authorizer"] = _json("authorizer", options["authorizer"])
        content, content_type = _content(data, data_binary)
        headers = _headers(header, {b"accept": "*/*", b"content-type": content_type})
        try:
            transport = LambdaTransport(note, source, **options)
            request = httpx.Request(method.upper(), _url(url), headers=headers, content=content)
            response = transport.handle_request(request)
        except (ValueError, httpx.InvalidURL, httpx.LocalProtocolError) as exc:
            raise click.UsageError(str(exc)) from None
        if not made:
            reason = response.extensions.get("bridge.reason", "")
            raise click.ClickException(f"The service answers {response.status_code} itself: {reason}")
        click.echo(json.dumps(made[0], indent=2, ensure_ascii=False))

    parameters: list[click.Parameter] = [
        click.Argument(["method"]),
        click.Argument(["url"]),
        click.Option(["-H", "--header"], multiple=True, metavar="'NAME: VALUE'", help="A header."),
        click.Option(
            ["-d", "--data"], multiple=True, metavar="DATA", help="A form's body; @FILE without its line ends."
        ),
        click.Option(["--data-binary"], metavar="DATA", help="A body as it is; @FILE reads a file."),
    ]
    parameters += [option for name, option in _options().items() if name in service_of(source).options]
    about = f"Print the event that the service {source} makes of a request."
    return click.Command(source, callback=command, params=parameters, help=about)


def _options() -> dict[str, click.Option]:
    return {
        "stage": click.Option(["--stage"], help="The stage, with which the URL's path begins."),
        "domain": click.Option(["--domain"], help="A custom domain."),
        "base_path_mapping": click.Option(["--base-path-mapping"], help="The first segment of a custom domain's path."),
        "authorizer": click.Option(["--authorizer"], metavar="JSON", help="The authorizer of the request context."),
    }


def _url(text: str) -> httpx.URL:
    url = httpx.URL(text)
    if url.scheme not in ("http", "https") or not url.host:
        raise click.UsageError(f"Expected a URL such as 'https://shop.example/path', but got {text!r}.")
    return url


def _headers(given: tuple[str, ...], defaults: dict[bytes, str]) -> list[tuple[bytes, bytes]]:
    """Return the headers that curl sends: in place of its own, `Name:` leaves one out, and `Name;` sends it empty."""
    pairs = [_pair(text) for text in given]
    names = {name.lower() for name, _ in pairs}
    own = [(name, value.encode()) for name, value in defaults.items() if value and name not in names]
    return [*own, *((name, value) for name, value in pairs if value is not None)]


def _pair(text: str) -> tuple[bytes, bytes | None]:
    name, colon, value = text.encode("utf-8", "surrogateescape").partition(b":")
    if colon:
        return name.strip(), value.strip() or None
    if not name.endswith(b";"):
        raise click.UsageError(f"Expected a header such as 'Accept: text/html', but got {text!r}.")
    return name[:-1].strip(), b""


def _content(data: tuple[str, ...], data_binary: str | None) -> tuple[bytes | None, str]:
    """Return a body and its content type, as curl makes them."""
    if data and data_binary is not None:
        raise click.UsageError("Give either --data or --data-binary.")
    if data_binary is not None:
        return _read(data_binary), "application/x-www-form-urlencoded"
    if not data:
        return None, ""
    parts = [
        _read(part).replace(b"\r", b"").replace(b"\n", b"") if part.startswith("@") else _read(part) for part in data
    ]
    return b"&".join(parts), "application/x-www-form-urlencoded"


def _read(text: str) -> bytes:
    if not text.startswith("@"):
        return text.encode("utf-8", "surrogateescape")
    if text == "@-":
        return sys.stdin.buffer.read()
    try:
        return Path(text[1:]).read_bytes()
    except OSError as exc:
        raise click.UsageError(f"The file {text[1:]!r} cannot be read: {exc}") from None


def _json(name: str, text: str) -> Any:
    try:
        return strict_json(text)
    except ValueError as exc:
        raise click.UsageError(f"Expected JSON for {name}, but got {text!r}: {exc}") from None


for _source in get_args(ServiceName):
    event.add_command(_http_command(_source))


def _print(made: _Given) -> None:
    click.echo(json.dumps(made, indent=2, ensure_ascii=False))


@event.command()
@click.argument("body", nargs=-1)
@click.option(
    "--queue", default="orders", show_default=True, help="The queue's name; of a FIFO queue it ends in .fifo."
)
def sqs(body: tuple[str, ...], queue: str) -> None:
    """Print an event of SQS with a message for each BODY."""
    _print(templates.sqs(body or ("hello",), queue=queue))


@event.command()
@click.argument("message", default="hello")
@click.option("--subject", help="The message's subject.")
@click.option("--topic", default="orders", show_default=True, help="The topic's name.")
def sns(message: str, subject: str | None, topic: str) -> None:
    """Print an event of SNS."""
    _print(templates.sns(message, subject=subject, topic=topic))


@event.command()
@click.argument("key", default="photos/cat.jpg")
@click.option("--bucket", default="uploads", show_default=True)
@click.option("--name", default="ObjectCreated:Put", show_default=True, help="What happened.")
@click.option("--size", type=click.IntRange(min=0), default=1024, show_default=True, help="The object's size in bytes.")
def s3(key: str, bucket: str, name: str, size: int) -> None:
    """Print an event of S3 about one object."""
    _print(templates.s3(key, bucket=bucket, name=name, size=size))


@event.command()
@click.option("--rule", default="nightly", show_default=True, help="The rule's name.")
def schedule(rule: str) -> None:
    """Print the event of a schedule of EventBridge."""
    _print(templates.schedule(rule=rule))


@event.command()
@click.argument("item", default='{"id": "1"}')
@click.option("--table", default="orders", show_default=True, help="The table's name.")
@click.option("--name", type=click.Choice(["INSERT", "MODIFY", "REMOVE"]), default="INSERT", show_default=True)
@click.option("--key", default="id", show_default=True, help="The name of the item's key.")
def dynamodb(item: str, table: str, name: str, key: str) -> None:
    """Print an event of a DynamoDB stream about ITEM, a JSON object of strings, numbers, booleans and nulls."""
    found = _json("ITEM", item)
    if not isinstance(found, dict) or key not in found:
        raise click.UsageError(f"Expected a JSON object with the key {key!r} as ITEM, but got {item!r}.")
    _print(templates.dynamodb(found, table=table, name=name, key=key))


@event.command()
@click.argument("data", nargs=-1)
@click.option("--stream", default="orders", show_default=True, help="The stream's name.")
def kinesis(data: tuple[str, ...], stream: str) -> None:
    """Print an event of Kinesis with a record for each DATA."""
    _print(templates.kinesis(data or ("hello",), stream=stream))


@event.command()
@click.argument("kind", type=click.Choice(["connect", "message", "disconnect"]), default="message")
@click.argument("body", default="hello")
@click.option("--connection", default="L0SM9cOFvHcCIhw=", show_default=True, help="The connection's id.")
@click.option("--stage", default="prod", show_default=True)
def websocket(kind: str, body: str, connection: str, stage: str) -> None:
    """Print an event of a WebSocket API."""
    _print(templates.websocket(kind, body, connection=connection, stage=stage))
