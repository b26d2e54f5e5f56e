"""Requests whose framing a test chooses, down to the last byte."""

import wire
from watched_server import GOOD_BODY, GOOD_PATH

MALFORMED = "MALFORMED_REQUEST"
# Put behind a request whose end is in doubt: whoever answers it lets requests be smuggled.
SMUGGLED = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n"


def head(*lines, first=f"POST {GOOD_PATH} HTTP/1.1", host=True):
    lines = [first, *(["Host: localhost"] if host else []), *lines]
    return b"".join((li if isinstance(li, bytes) else li.encode()) + b"\r\n" for li in lines)


def framed(*lines, body=b"", **more):
    """A request with these framing headers, a body, and another request behind it."""
    return head("Content-Type: application/json", *lines, **more) + b"\r\n" + body + SMUGGLED


def get(*lines, path="/health/live"):
    return head(*lines, first=b"GET " + path.encode("latin-1") + b" HTTP/1.1") + b"\r\n" + SMUGGLED


def chunk(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


def chunked(rest, *lines):
    return framed("Transfer-Encoding: chunked", *lines, body=rest)


CHUNKS = chunk(GOOD_BODY) + b"0\r\n\r\n"
LENGTH = f"Content-Length: {len(GOOD_BODY)}"


def one_answer_then_close(connection, statuses, code=None, mentions=()):
    response = connection.response()
    body = wire.assert_error(response, statuses, code, mentions)
    assert response.headers.get("connection") == "close", response.headers
    connection.assert_ends()
    return body
