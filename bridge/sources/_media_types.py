"""Response bodies as text or base64: a table of text media types, and the rules around it.

A Lambda result is JSON: a body is either a JSON string, which AWS encodes as UTF-8, or base64. Either way the client
must get the application's bytes, so a body is text only if UTF-8 gives exactly those bytes back. For the
others the table decides, because a REST API without binary media types sends base64 to the client undecoded.
"""

from binascii import b2a_base64
from functools import lru_cache

__all__ = ["DEFAULT_TEXT_MEDIA_TYPES", "encode_body", "is_text"]

# "type/*" means every subtype, "*/*+suffix" every type with that structured syntax suffix (RFC 6839).
DEFAULT_TEXT_MEDIA_TYPES: tuple[str, ...] = (
    "text/*",
    "*/*+json",
    "*/*+xml",
    "*/*+yaml",
    "application/ecmascript",
    "application/graphql",
    "application/javascript",
    "application/json",
    "application/json-seq",
    "application/jsonlines",
    "application/sql",
    "application/toml",
    "application/typescript",
    "application/x-javascript",
    "application/x-ndjson",
    "application/x-www-form-urlencoded",
    "application/x-yaml",
    "application/xml",
    "application/xml-dtd",
    "application/yaml",
)


def encode_body(
    body: bytes, content_type: str | None, content_encoding: str | None = None, extra: tuple[str, ...] = ()
) -> tuple[str, bool]:
    """Return `body` as a Lambda result carries it, and whether that is base64. Lossless for every input.

    `content_type`, `content_encoding`: the headers' values; `extra`: more text media types.
    """
    if content_encoding is not None and content_encoding.strip().lower() not in ("", "identity"):
        return _base64(body), bool(body)
    if content_type is None or is_text(content_type, extra):
        try:
            return body.decode("utf-8"), False
        except UnicodeDecodeError:
            pass  # Declared as text, perhaps in another charset: base64 keeps its bytes.
    return _base64(body), bool(body)


# An application has few content types, and a client seldom chooses them.
@lru_cache(maxsize=128)
def is_text(content_type: str, extra: tuple[str, ...] = ()) -> bool:
    """Return whether this content-type is text by the table and `extra`. Its parameters do not count."""
    media_type = content_type.partition(";")[0].strip().lower()
    kind, _, subtype = media_type.partition("/")
    _, plus, suffix = subtype.rpartition("+")
    entries = {media_type, f"{kind}/*", f"*/*+{suffix}" if plus else media_type}
    return not entries.isdisjoint(DEFAULT_TEXT_MEDIA_TYPES) or not entries.isdisjoint(extra)


def _base64(body: bytes) -> str:
    return b2a_base64(body, newline=False).decode("ascii")
