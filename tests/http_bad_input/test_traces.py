"""What is left of bad requests: one line in the log, one counter, and no memory."""

import gzip
import zlib

import pytest

import support
import watched_server
import wire
from framing import CHUNKS, LENGTH, chunked, framed
from watched_server import GOOD_BODY, GOOD_PATH, GOOD_REQUEST

REQUESTS = {
    "P1-length-then-chunked": (400, framed(LENGTH, "Transfer-Encoding: chunked", body=CHUNKS)),
    "P2-hexadecimal": (400, framed("Content-Length: 0x5", body=b"hello")),
    "P4-size-of-64-bits": (400, chunked(b"ffffffffffffffff\r\nhello")),
    "P4-extension-of-1-MB": (400, chunked(b"5;a=" + b"b" * 1_000_000 + b"\r\nhello\r\n0\r\n\r\n")),
    "P6-8-GiB": (413, framed(f"Content-Length: {8 << 30}")),
    "P7-over-the-limit": (413, framed(f"Content-Length: {8 << 30}", "Expect: 100-continue")),
    "P11-header-of-1-MB": (431, b"GET / HTTP/1.1\r\nHost: a\r\nA: " + b"b" * 1_000_000),
    "P11-url-of-64-KB": (414, b"GET /" + b"a" * 65_536),
    "P13-tls-hello": (400, b"\x16\x03\x01\x00\xf8\x01\x00\x00\xf4\x03\x03"),
    "P13-wrong-method": (405, wire.request("DELETE", GOOD_PATH)),
    "P14-truncated": (
        400,
        wire.post(GOOD_PATH, gzip.compress(GOOD_BODY)[:-9], "Content-Encoding: gzip"),
    ),
    "P14-bomb": (
        413,
        wire.post(GOOD_PATH, zlib.compress(bytes(65 << 20), 9), "Content-Encoding: deflate"),
    ),
    "P14-unknown-coding": (415, wire.post(GOOD_PATH, b"x", "Content-Encoding: br")),
    "J1-depth-1000": (400, wire.post(GOOD_PATH, b'{"inputs": ' + b"[" * 1000 + b"]" * 1000 + b"}")),
    "J2-truncated": (400, wire.post(GOOD_PATH, GOOD_BODY[:-1])),
    "J3-twice": (400, wire.post(GOOD_PATH, b'{"inputs": 1, "inputs": 1}')),
    "J7-unknown-keys": (
        400,
        wire.post(GOOD_PATH, b"{" + b",".join(b'"k%d":0' % i for i in range(50_000)) + b"}"),
    ),
    "J7-1-MB-of-zeros": (400, wire.post(GOOD_PATH, b'{"inputs": [' + b"0," * 500_000 + b"0]}")),
    "J8-wrong-type": (415, wire.post(GOOD_PATH, GOOD_BODY, kind="text/plain")),
    "T3-too-long": (400, wire.post(GOOD_PATH, {"inputs": {"age": 1, "income": [1] * 1000}})),
    "T4-unknown-model": (404, wire.post("/predict/nobody", GOOD_BODY)),
    "T5-batch-of-0": (400, wire.post(GOOD_PATH + "/batch", {"inputs": []})),
    "T10-refused-by-model": (
        422,
        wire.post("/predict/fails_on_marked_row", {"inputs": [-999, 0, 0]}),
    ),
    "T11-id-of-1-MB": (
        400,
        wire.post(GOOD_PATH, b'{"inputs": 1, "id": "' + b"a" * 1_000_000 + b'"}'),
    ),
}
# Half a megabyte or more each: fewer repeats say as much.
HEAVY = {
    "P4-extension-of-1-MB",
    "P11-header-of-1-MB",
    "P14-bomb",
    "J7-unknown-keys",
    "J7-1-MB-of-zeros",
    "T11-id-of-1-MB",
}


@pytest.mark.parametrize("name", REQUESTS)
def test_repeated_bad_requests_leave_no_memory(server, name):
    status, data = REQUESTS[name]

    def attack():
        with server.connect() as connection:
            assert connection.send(data).response().status == status

    if name == "P14-bomb":
        server.assert_no_lasting_growth(attack, repeats=4, warm_up=4, rounds=8)
    elif name in HEAVY:
        server.assert_no_lasting_growth(attack, repeats=30, warm_up=20)
    else:
        server.assert_no_lasting_growth(attack)


VANISHING = {
    "P19-in-header": b"GET / HTTP/1.1\r\nHo",
    "P19-in-body": wire.post(GOOD_PATH, GOOD_BODY)[:-5],
    "P19-after-request": GOOD_REQUEST,
    "P19-in-large-body": wire.post(GOOD_PATH, b"x" * 500_000)[:-5],
}


@pytest.mark.parametrize("data", VANISHING.values(), ids=VANISHING.keys())
def test_vanishing_clients_leave_no_memory(server, data):
    server.assert_no_lasting_growth(lambda: server.connect().send(data).reset())


def test_large_bodies_give_their_memory_back(start_server):
    server = start_server(support.MODELS / "two_inputs", support.MODELS / "doubling")
    before = server.resident_bytes()
    rows = b",".join([b"[0.1234567,0.5,2.25]"] * 600_000)
    for _ in range(4):
        server.send(wire.post("/predict/doubling/batch", b'{"inputs":[' + rows + b"]}"))

    def given_back():
        return watched_server.is_sanitized() or server.resident_bytes() - before < 48 << 20

    support.wait_until(given_back, "the memory of large bodies is given back", 5)


ANSWERS = "muster_http_responses_total"
ONE_LINE = [
    "P1-length-then-chunked",
    "P6-8-GiB",
    "P13-wrong-method",
    "P14-truncated",
    "J2-truncated",
    "J8-wrong-type",
    "T3-too-long",
    "T4-unknown-model",
    "T10-refused-by-model",
]


@pytest.mark.parametrize("name", ONE_LINE)
def test_bad_request_leaves_one_line_and_one_count(server, name):
    status, data = REQUESTS[name]
    series = server.series()
    errors = server.metric(ANSWERS, **{"class": "4xx"})
    failures = server.metric(ANSWERS, **{"class": "5xx"})
    lines = len(server.errors)
    request_ids = []
    for _ in range(3):
        with server.connect() as connection:
            request_ids.append(
                wire.assert_error(connection.send(data).response(), status)["request_id"]
            )
    # An answer can be read before it is counted and logged.
    support.wait_until(
        lambda: server.metric(ANSWERS, **{"class": "4xx"}) == errors + 3, "three are counted", 2
    )
    assert server.metric(ANSWERS, **{"class": "5xx"}) == failures
    assert server.series() == series, "labels come from what clients send"
    for request_id in request_ids:
        support.wait_until(
            lambda wanted=request_id: [line for line in server.errors if wanted in line],
            f"{request_id} is logged",
            0.5,
        )
    assert len(server.errors) == lines + 3, server.errors[lines:]


def test_no_label_is_named_by_a_client(server):
    series = server.series()
    for i in range(50):
        server.send(wire.post(f"/predict/m{i}", GOOD_BODY))
        server.send(wire.request("GET", f"/models/m{i}"))
        server.send(wire.request("GET", f"/nowhere/{i}"))
        server.send(
            wire.post("/predict", {"features": [1], "model_id": f"m{i}", "version": f"{i}"})
        )
    assert server.series() == series
