"""Bytes to and from a server: any bytes at all go out, only strict HTTP and JSON is let in."""

import json
import re
import select
import socket
import struct
import time
from dataclasses import dataclass

PATIENCE = 10.0  # seconds within which every answer must have come

STATUS_LINE = re.compile(rb"HTTP/1\.1 ([1-5][0-9]{2}) ([ -~]+)")
FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+): ?([ -~\t]*)")
ERROR_CODE = re.compile(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)*")

# What the inside of the server looks like: places on its disk, addresses, names of its sources.
INTERNALS = re.compile(
    r"/(?:home|root|usr|tmp|work|opt|proc|var|lib|build|src)/|0x[0-9a-f]{6,}|127\.0\.0\.1"
    r"|\.(?:cc|cpp|so|hpp)\b|std::|muster::|onnxruntime|#\d+ |\bwhat\(\)|basic_string"
)


def strict_json(text):
    """JSON as RFC 8259 has it: UTF-8, no NaN, no key twice."""

    def no_constant(name):
        raise AssertionError(f"{name} is not JSON")

    def no_duplicates(pairs):
        keys = [key for key, _ in pairs]
        assert len(keys) == len(set(keys)), f"a key comes twice: {keys}"
        return dict(pairs)

    return json.loads(
        text.decode("utf-8"), parse_constant=no_constant, object_pairs_hook=no_duplicates
    )


@dataclass
class Response:
    status: int
    headers: dict  # names in lower case
    body: bytes

    def json(self):
        assert self.headers["content-type"] == "application/json", self.headers
        return strict_json(self.body)


class Wire:
    """One connection. Sending never blocks on a server that answers without reading on."""

    def __init__(self, address, receive_buffer=None):
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(address)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = bytearray()
        self.ended = False  # the server sends no more

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        """Sends until all is gone or the server is done with this connection."""
        rest = memoryview(data)
        poll = select.poll()
        poll.register(self.socket, select.POLLIN | select.POLLOUT)
        end = time.monotonic() + PATIENCE
        while rest and not self.ended:
            ready = poll.poll(1000)
            assert time.monotonic() < end, f"{len(rest)} bytes are not taken"
            events = ready[0][1] if ready else 0
            if events & (select.POLLIN | select.POLLHUP | select.POLLERR):
                self._receive()
            elif events & select.POLLOUT:
                try:
                    rest = rest[self.socket.send(rest[: 1 << 18], socket.MSG_DONTWAIT) :]
                except BlockingIOError:
                    pass
                except ConnectionError:
                    self._receive()
        return self

    def _receive(self):
        """One piece more into the buffer; notes the end."""
        try:
            data = self.socket.recv(1 << 18)
        except ConnectionError:
            data = b""
        self.buffer += data
        self.ended = self.ended or not data
        return bool(data)

    def _take_until(self, what):
        while (at := self.buffer.find(what)) < 0:
            assert not self.ended and self._receive(), f"no whole answer: {bytes(self.buffer)!r}"
        taken = bytes(self.buffer[:at])
        del self.buffer[: at + len(what)]
        return taken

    def response(self, head=False):
        """The next answer; `head`: to a HEAD request, so without a body whatever it declares."""
        lines = self._take_until(b"\r\n\r\n").split(b"\r\n")
        first = STATUS_LINE.fullmatch(lines[0])
        assert first, f"not a status line: {lines[0]!r}"
        headers = {}
        for line in lines[1:]:
            field = FIELD.fullmatch(line)
            assert field, f"not a header: {line!r}"
            name = field[1].decode().lower()
            assert name not in headers or name == "vary", f"twice: {line!r}"
            headers[name] = field[2].decode()
        status = int(first[1])
        assert "transfer-encoding" not in headers
        if status < 200:
            assert "content-length" not in headers
            return Response(status, headers, b"")
        assert "date" in headers
        length = 0 if status in (204, 304) or head else int(headers["content-length"])
        while len(self.buffer) < length:
            assert not self.ended and self._receive(), "the connection ends within a body"
        body = bytes(self.buffer[:length])
        del self.buffer[:length]
        return Response(status, headers, body)

    def silent_for(self, seconds):
        """True if nothing at all comes, no end either, for so long."""
        return not self.buffer and not select.select([self.socket], [], [], seconds)[0]

    def assert_ends(self):
        """The server closes, and what it had to say has all been read."""
        while not self.ended:
            self._receive()
        assert not self.buffer, f"bytes behind the last answer: {bytes(self.buffer[:200])!r}"

    def half_close(self):
        self.socket.shutdown(socket.SHUT_WR)

    def reset(self):
        """Leaves as a crashed client does: with RST, not FIN."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


def request(method, path, body=None, *lines, kind="application/json"):
    """The bytes of a request; `lines` are further header lines without their CRLF."""
    parts = [f"{method} {path} HTTP/1.1".encode(), b"Host: localhost"]
    if body is not None:
        parts.append(b"Content-Length: %d" % len(body))
        if kind:
            parts.append(b"Content-Type: " + kind.encode())
    parts += [line if isinstance(line, bytes) else line.encode() for line in lines]
    return b"\r\n".join(parts) + b"\r\n\r\n" + (body or b"")


def post(path, body, *lines, kind="application/json"):
    if not isinstance(body, (bytes, bytearray)):
        body = json.dumps(body).encode()
    return request("POST", path, body, *lines, kind=kind)


def assert_error(response, status, code=None, mentions=()):
    """The one form of every error, as docs and api say: nothing missing, nothing of the inside.

    `status` and `code` are what is right, or sets of what is."""
    shown = f"{response.status} {response.body[:500]!r}"
    assert response.status in ({status} if isinstance(status, int) else status), shown
    body = response.json()
    assert sorted(body) == ["code", "detail", "error", "request_id"], shown
    assert all(isinstance(value, str) and value for value in body.values()), shown
    assert body["error"] == body["detail"], shown
    assert ERROR_CODE.fullmatch(body["code"]), shown
    assert len(response.body) < 4096, f"an error of {len(response.body)} bytes"
    if code is not None:
        assert body["code"] in ({code} if isinstance(code, str) else code), shown
    for word in [mentions] if isinstance(mentions, str) else mentions:
        assert word in body["error"], f"{word!r} is not named: {shown}"
    assert not INTERNALS.search(body["error"]), shown
    if response.status == 405:
        assert "allow" in response.headers, response.headers
    if response.status in (429, 503):
        assert int(response.headers["retry-after"]) >= 1, response.headers
    return body


def numbers(value):
    """All numbers of a nested value, from left to right."""
    if isinstance(value, dict):
        value = list(value.values())
    return [n for item in value for n in numbers(item)] if isinstance(value, list) else [value]
