"""P14 and P15: bodies in other clothes than they claim to wear."""

import gzip
import io
import zlib

import pytest

import wire
from framing import one_answer_then_close
from watched_server import GOOD_BODY, GOOD_PATH, GOOD_REQUEST

GZIP = gzip.compress(GOOD_BODY)
LIMIT = 64 << 20


def raw_deflate(data):
    coder = zlib.compressobj(wbits=-15)
    return coder.compress(data) + coder.flush()


def bomb(size, coder=None):
    """`size` spaces in a thousandth of their bytes."""
    coder = coder or zlib.compressobj(9, wbits=31)
    piece = b" " * (1 << 20)
    out = io.BytesIO()
    for _ in range(size >> 20):
        out.write(coder.compress(piece))
    out.write(coder.flush())
    return out.getvalue()


def coded(data, *codings):
    return wire.post(GOOD_PATH, data, *[f"Content-Encoding: {coding}" for coding in codings])


def broken(at, with_what):
    return GZIP[:at] + with_what + GZIP[at + len(with_what) :]


# Read to their end, or refused without being read; either way the connection need not be closed.
REFUSED = {
    "P14-truncated": (400, coded(GZIP[:-9], "gzip")),
    "P14-no-checksum": (400, coded(GZIP[:-8], "gzip")),
    "P14-header-alone": (400, coded(GZIP[:10], "gzip")),
    "P14-one-byte": (400, coded(GZIP[:1], "gzip")),
    "P14-wrong-checksum": (400, coded(broken(len(GZIP) - 8, b"\0\0\0\0"), "gzip")),
    "P14-wrong-length": (400, coded(broken(len(GZIP) - 4, b"\xff\0\0\0"), "gzip")),
    "P14-wrong-magic": (400, coded(broken(0, b"\x1f\x8c"), "gzip")),
    "P14-not-compressed": (400, coded(GOOD_BODY, "gzip")),
    "P14-garbage-behind": (400, coded(GZIP + b"garbage", "gzip")),
    "P14-raw-deflate": (400, coded(raw_deflate(GOOD_BODY), "deflate")),
    "P14-truncated-deflate": (400, coded(zlib.compress(GOOD_BODY)[:-5], "deflate")),
    "P14-gzip-called-deflate": (400, coded(GZIP, "deflate")),
    "P14-deflate-called-gzip": (400, coded(zlib.compress(GOOD_BODY), "gzip")),
    "P14-compressed-garbage": (400, coded(gzip.compress(b"{" * 1000), "gzip")),
    "P14-compressed-but-not-said": (400, coded(GZIP)),
    "P14-compressed-twice-said-once": (400, coded(gzip.compress(GZIP), "gzip")),
    "P14-double-coding": (415, coded(gzip.compress(GZIP), "gzip, gzip")),
    "P14-double-coding-in-two-lines": (415, coded(gzip.compress(GZIP), "gzip", "gzip")),
    "P14-two-codings": (415, coded(gzip.compress(zlib.compress(GOOD_BODY)), "deflate, gzip")),
    "P14-brotli": (415, coded(b"\x0b\x02\x80", "br")),
    "P14-zstd": (415, coded(b"\x28\xb5\x2f\xfd", "zstd")),
    "P14-unknown-coding": (415, coded(GZIP, "gzipx")),
    "P14-coding-of-1-KB": (415, coded(GZIP, "g" * 1024)),
}


@pytest.mark.parametrize("status,data", REFUSED.values(), ids=REFUSED.keys())
def test_bad_coding_is_refused(server, status, data):
    with server.connect() as connection:
        response = connection.send(data).response()
        wire.assert_error(response, status, "UNSUPPORTED_MEDIA_TYPE" if status == 415 else None)
        if response.headers.get("connection") == "close":
            connection.assert_ends()
        else:
            assert connection.send(GOOD_REQUEST).response().status == 200


BOMBS = {
    "P14-bomb-1000-to-1": lambda: bomb(100 << 20),
    "P14-bomb-in-deflate": lambda: bomb(100 << 20, zlib.compressobj(9)),
    "P14-bomb-in-many-members": lambda: bomb(16 << 20) * 64,
    "P14-bomb-one-byte-beyond": lambda: bomb(LIMIT) + gzip.compress(b" "),
}


@pytest.mark.parametrize("name", BOMBS)
def test_bomb_is_refused_by_its_expanded_size(server, name):
    server.forget_peak()
    before = server.resident_bytes()
    data = coded(BOMBS[name](), "deflate" if "deflate" in name else "gzip")
    with server.connect() as connection:
        one_answer_then_close(connection.send(data), 413, "BODY_TOO_LARGE", str(LIMIT))
    # The body's memory doubles as it grows: twice the limit is there at most, and for a moment.
    server.assert_grew_less_than(2 * LIMIT + (8 << 20), before, peak=True)
    server.assert_grew_less_than(4 << 20, before)


def test_P14_good_codings_are_read(server):
    for coding, data in [
        ("gzip", GZIP),
        ("x-gzip", GZIP),
        ("GZIP", GZIP),
        ("deflate", zlib.compress(GOOD_BODY)),
        ("identity", GOOD_BODY),
        ("gzip", GZIP[:0] + gzip.compress(GOOD_BODY[:20]) + gzip.compress(GOOD_BODY[20:])),
    ]:
        assert server.send(coded(data, coding)).status == 200


JSON_LENGTHS = {
    "P15-far-beyond-the-body": "99999999999",
    "P15-beyond-64-bits": "18446744073709551617",
    "P15-negative": "-1",
    "P15-one-beyond-the-body": str(len(GOOD_BODY) + 1),
    "P15-within-the-body": str(len(GOOD_BODY) - 1),
    "P15-no-number": "all",
    "P15-hexadecimal": "0x10",
}


@pytest.mark.parametrize("value", JSON_LENGTHS.values(), ids=JSON_LENGTHS.keys())
def test_json_length_that_contradicts_the_body(server, value):
    response = server.send(
        wire.post(GOOD_PATH, GOOD_BODY, f"Inference-Header-Content-Length: {value}")
    )
    wire.assert_error(response, 400)
