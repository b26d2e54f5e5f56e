"""P1 to P4, P6, P7, P11 to P13: what is not HTTP, or says two things at once."""

import json

import pytest

import wire
from framing import (
    CHUNKS,
    LENGTH,
    MALFORMED,
    SMUGGLED,
    chunk,
    chunked,
    framed,
    get,
    head,
    one_answer_then_close,
)
from watched_server import GOOD_BODY, GOOD_PATH, GOOD_REQUEST

# Answered with 400, once, and closed: nobody can say where the next request begins.
FRAMING = {
    "P1-length-then-chunked": framed(LENGTH, "Transfer-Encoding: chunked", body=CHUNKS),
    "P1-chunked-then-length": framed("Transfer-Encoding: chunked", LENGTH, body=CHUNKS),
    "P1-chunked-and-length-0": framed(
        "Transfer-Encoding: chunked", "Content-Length: 0", body=CHUNKS
    ),
    "P1-chunked-twice": framed(*["Transfer-Encoding: chunked"] * 2, body=CHUNKS),
    "P1-chunked-chunked": framed("Transfer-Encoding: chunked, chunked", body=CHUNKS),
    "P1-chunkedx": framed("Transfer-Encoding: chunkedx", body=CHUNKS),
    "P1-xchunked": framed("Transfer-Encoding: xchunked", body=CHUNKS),
    "P1-quoted": framed('Transfer-Encoding: "chunked"', body=CHUNKS),
    "P1-identity": framed("Transfer-Encoding: identity", LENGTH, body=GOOD_BODY),
    "P1-empty": framed("Transfer-Encoding:", LENGTH, body=GOOD_BODY),
    "P1-vertical-tab": framed(b"Transfer-Encoding: \x0bchunked", body=CHUNKS),
    "P1-parameter": framed("Transfer-Encoding: chunked;q=1", body=CHUNKS),
    "P1-chunked-not-last": framed("Transfer-Encoding: chunked, identity", body=CHUNKS),
    "P1-http-1.0": framed(
        "Transfer-Encoding: chunked", body=CHUNKS, first=f"POST {GOOD_PATH} HTTP/1.0"
    ),
    "P2-two-lengths": framed("Content-Length: 5", LENGTH, body=GOOD_BODY),
    "P2-same-length-twice": framed(LENGTH, LENGTH, body=GOOD_BODY),
    "P2-plus": framed("Content-Length: +5", body=b"hello"),
    "P2-hexadecimal": framed("Content-Length: 0x5", body=b"hello"),
    "P2-list": framed("Content-Length: 5,5", body=b"hello"),
    "P2-list-with-space": framed("Content-Length: 5, 5", body=b"hello"),
    "P2-two-to-the-64": framed("Content-Length: 18446744073709551616", body=b"hello"),
    "P2-wraps-to-5": framed("Content-Length: 18446744073709551621", body=b"hello"),
    "P2-negative": framed("Content-Length: -1"),
    "P2-negative-zero": framed("Content-Length: -0"),
    "P2-empty": framed("Content-Length:"),
    "P2-word": framed("Content-Length: five", body=b"hello"),
    "P2-fraction": framed("Content-Length: 5.0", body=b"hello"),
    "P2-space-within": framed("Content-Length: 5 5", body=b"hello"),
    "P2-other-digits": framed("Content-Length: ٥", body=b"hello"),
    "P3-bare-lf-everywhere": b"GET /health/live HTTP/1.1\nHost: localhost\n\n",
    "P3-bare-lf-after-first-line": b"GET /health/live HTTP/1.1\nHost: localhost\r\n\r\n",
    "P3-bare-lf-after-header": get(b"A: b\nC: d"),
    "P3-bare-lf-at-the-end": b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\n" + SMUGGLED,
    "P3-bare-cr-in-value": get(b"A: b\rC: d"),
    "P3-bare-cr-ends-header": b"GET /health/live HTTP/1.1\rHost: localhost\r\r\n\r\n",
    "P3-cr-cr-lf": get(b"A: b\r"),
    "P3-space-before-colon": get("Content-Length : 0"),
    "P3-tab-before-colon": get("Transfer-Encoding\t: chunked"),
    "P3-folded-by-space": get("A: b\r\n c"),
    "P3-folded-by-tab": get("A: b\r\n\tc"),
    "P3-folded-first-header": b"GET /health/live HTTP/1.1\r\n Host: localhost\r\n\r\n",
    "P3-nul-in-value": get(b"A: b\x00c"),
    "P3-nul-in-name": get(b"A\x00: b"),
    "P3-delete-in-value": get(b"A: b\x7f"),
    "P3-escape-in-value": get(b"A: \x1b[2J"),
    "P3-nul-in-path": get(path="/health/li\x00ve"),
    "P3-encoded-nul-in-path": get(path="/health/live%00"),
    "P3-encoded-newline-in-path": get(path="/models/a%0ab"),
    "P3-encoded-slash-in-path": get(path="/models%2fslow"),
    "P3-half-an-escape": get(path="/models/%4"),
    "P3-no-hexadecimal-escape": get(path="/models/%zz"),
    "P3-bytes-above-ascii-in-path": get(path="/models/\xff"),
    "P3-fragment-in-path": get(path="/health/live#top"),
    "P3-no-slash": get(path="health/live"),
    "P3-backslash": get(path="\\health\\live"),
    "P3-two-spaces": b"GET  /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "P3-tab-for-space": b"GET\t/health/live\tHTTP/1.1\r\nHost: localhost\r\n\r\n",
    "P3-space-behind-version": b"GET /health/live HTTP/1.1 \r\nHost: localhost\r\n\r\n",
    "P3-space-in-front": b" GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "P3-no-colon": get("Nothing"),
    "P3-no-name": get(": value"),
    "P3-name-with-space": get("A B: c"),
    "P3-name-above-ascii": get("Größe: 5"),
    "P3-no-host": head(first="GET /health/live HTTP/1.1", host=False) + b"\r\n",
    "P3-two-hosts": get("Host: elsewhere"),
    "P3-host-list": head("Host: a, b", first="GET / HTTP/1.1", host=False) + b"\r\n",
    "P3-host-with-path": head("Host: a/b", first="GET / HTTP/1.1", host=False) + b"\r\n",
    "P3-host-with-user": head("Host: u@a", first="GET / HTTP/1.1", host=False) + b"\r\n",
    "P4-size-of-64-bits": chunked(b"ffffffffffffffff\r\nhello"),
    "P4-size-of-63-bits": chunked(b"7fffffffffffffff\r\nhello"),
    "P4-size-beyond-64-bits": chunked(b"10000000000000005\r\nhello\r\n0\r\n\r\n"),
    "P4-size-with-many-zeros": chunked(b"0" * 100 + b"5\r\nhello\r\n0\r\n\r\n"),
    "P4-negative-size": chunked(b"-5\r\nhello\r\n0\r\n\r\n"),
    "P4-plus-size": chunked(b"+5\r\nhello\r\n0\r\n\r\n"),
    "P4-hexadecimal-prefix": chunked(b"0x5\r\nhello\r\n0\r\n\r\n"),
    "P4-empty-size": chunked(b"\r\nhello\r\n0\r\n\r\n"),
    "P4-space-before-size": chunked(b" 5\r\nhello\r\n0\r\n\r\n"),
    "P4-space-behind-size": chunked(b"5 \r\nhello\r\n0\r\n\r\n"),
    "P4-word-for-size": chunked(b"five\r\nhello\r\n0\r\n\r\n"),
    "P4-size-ends-with-lf": chunked(b"5\nhello\r\n0\r\n\r\n"),
    "P4-size-ends-with-cr": chunked(b"5\rhello\r\n0\r\n\r\n"),
    "P4-chunk-too-long": chunked(b"5\r\nhello!\r\n0\r\n\r\n"),
    "P4-chunk-too-short": chunked(b"5\r\nhell\r\n0\r\n\r\n"),
    "P4-chunk-ends-with-lf": chunked(b"5\r\nhello\n0\r\n\r\n"),
    "P4-extension-of-1-MB": chunked(b"5;a=" + b"b" * 1_000_000 + b"\r\nhello\r\n0\r\n\r\n"),
    "P4-many-small-extensions": chunked(b"1;a=bcdefgh\r\n[\r\n" * 2000 + b"0\r\n\r\n"),
    "P4-extension-with-lf": chunked(b"5;a\nb\r\nhello\r\n0\r\n\r\n"),
    "P4-extension-with-cr": chunked(b"5;a\rb\r\nhello\r\n0\r\n\r\n"),
    "P4-extension-with-nul": chunked(b"5;a\x00\r\nhello\r\n0\r\n\r\n"),
    "P4-trailer-content-length": chunked(
        chunk(GOOD_BODY) + b"0\r\nContent-Length: 5\r\n\r\n",
    ),
    "P4-trailer-transfer-encoding": chunked(
        chunk(GOOD_BODY) + b"0\r\nTransfer-Encoding: chunked\r\n\r\n"
    ),
    "P4-trailer-host": chunked(chunk(GOOD_BODY) + b"0\r\nHost: elsewhere\r\n\r\n"),
    "P4-trailer-of-1-MB": chunked(chunk(GOOD_BODY) + b"0\r\nA: " + b"b" * 1_000_000 + b"\r\n\r\n"),
    "P4-trailer-folded": chunked(chunk(GOOD_BODY) + b"0\r\nA: b\r\n c\r\n\r\n"),
    "P4-trailer-ends-with-lf": chunked(chunk(GOOD_BODY) + b"0\r\nA: b\n\r\n"),
    "P4-trailer-without-colon": chunked(chunk(GOOD_BODY) + b"0\r\nnothing\r\n\r\n"),
}


@pytest.mark.parametrize("data", FRAMING.values(), ids=FRAMING.keys())
def test_ambiguous_request_is_answered_400_once_and_closed(server, data):
    before = server.metric("muster_http_protocol_errors_total")
    with server.connect() as connection:
        one_answer_then_close(connection.send(data), 400, MALFORMED)
    assert server.metric("muster_http_protocol_errors_total") == before + 1


@pytest.mark.parametrize(
    "case", ["P1-chunked-twice", "P2-two-to-the-64", "P3-nul-in-value", "P4-chunk-too-long"]
)
@pytest.mark.parametrize("piece", [1, 7])
def test_same_answer_however_the_bytes_come(server, case, piece):
    data = FRAMING[case]
    with server.connect() as connection:
        for at in range(0, len(data), piece):
            connection.send(data[at : at + piece])
        one_answer_then_close(connection, 400, MALFORMED)


TOO_LARGE = {
    "P4-chunk-beyond-the-limit": (413, chunked(b"%x\r\nhello" % ((64 << 20) + 1))),
    "P4-chunk-of-60-bits": (413, chunked(b"fffffffffffffff\r\nhello")),
    "P6-8-GiB": (413, framed(f"Content-Length: {8 << 30}")[: -len(SMUGGLED)] + b"0123456789"),
    "P6-63-bits": (413, framed(f"Content-Length: {2**63 - 1}")[: -len(SMUGGLED)] + b"0123456789"),
    "P6-63-bits-and-more": (413, framed("Content-Length: 9999999999999999999") + b"0123456789"),
    "P6-one-too-many": (413, framed(f"Content-Length: {(64 << 20) + 1}") + b"0123456789"),
    "P11-header-of-1-MB": (431, get("A: " + "b" * 1_000_000)),
    "P11-name-of-1-MB": (431, get("A" * 1_000_000 + ": b")),
    "P11-10000-headers": (431, get(*[f"A{i}: b" for i in range(10_000)])),
    "P11-10000-equal-headers": (431, get(*["A: b"] * 10_000)),
    "P11-101-headers": (431, get(*[f"A{i}: b" for i in range(100)])),
    "P11-url-of-64-KB": (414, get(path="/" + "a" * 65_536)),
    "P11-query-of-64-KB": (414, get(path="/health/live?" + "a" * 65_536)),
    "P11-url-without-end": (414, b"GET /" + b"a" * 65_536),
}


@pytest.mark.parametrize("status,data", TOO_LARGE.values(), ids=TOO_LARGE.keys())
def test_too_large_is_refused_before_it_has_come(server, status, data):
    before = server.resident_bytes()
    codes = {413: "BODY_TOO_LARGE", 414: "URL_TOO_LONG", 431: "HEADER_TOO_LARGE"}
    with server.connect() as connection:
        one_answer_then_close(connection.send(data), status, codes[status])
    server.assert_grew_less_than(4 << 20, before)


def test_P6_declared_length_reserves_nothing(server):
    """64 MiB are allowed; 50 clients that declare them and send 10 bytes cost next to nothing."""
    before = server.resident_bytes()
    start = framed(f"Content-Length: {64 << 20}")[: -len(SMUGGLED)] + b"0123456789"
    connections = [server.connect().send(start) for _ in range(50)]
    assert server.send_good().status == 200
    server.assert_grew_less_than(2 << 20, before)
    for connection in connections:
        assert connection.silent_for(0)
        connection.reset()


EXPECTATIONS = {
    "P7-over-the-limit": (413, f"Content-Length: {(64 << 20) + 1}", "100-continue"),
    "P7-8-GiB": (413, f"Content-Length: {8 << 30}", "100-Continue"),
    "P7-unknown-expectation": (417, "Content-Length: 5", "a-miracle"),
    "P7-two-expectations": (417, "Content-Length: 5", "100-continue, a-miracle"),
    "P7-bad-length": (400, "Content-Length: 0x5", "100-continue"),
}


@pytest.mark.parametrize("status,length,value", EXPECTATIONS.values(), ids=EXPECTATIONS.keys())
def test_expectation_that_will_not_be_met_gets_no_100(server, status, length, value):
    with server.connect() as connection:
        connection.send(framed(length, f"Expect: {value}")[: -len(SMUGGLED)])
        one_answer_then_close(connection, status)


def test_P7_refused_by_route_and_type_without_100(server):
    cases = [
        ("POST /predict/none HTTP/1.1", "application/json", 404),
        (f"POST {GOOD_PATH} HTTP/1.1", "text/plain", 415),
        (f"PUT {GOOD_PATH} HTTP/1.1", "application/json", 405),
    ]
    for first, kind, status in cases:
        with server.connect() as connection:
            connection.send(
                head(f"Content-Type: {kind}", LENGTH, "Expect: 100-continue", first=first) + b"\r\n"
            )
            one_answer_then_close(connection, status)


def test_P7_met_expectation_gets_one_100_and_the_answer(server):
    with server.connect() as connection:
        connection.send(framed(LENGTH, "Expect: 100-continue")[: -len(SMUGGLED)])
        assert connection.response().status == 100
        assert connection.send(GOOD_BODY).response().status == 200
        assert connection.send(SMUGGLED).response().status == 200


def test_P5_exactly_as_many_chunks_as_allowed(server):
    body = GOOD_BODY + b" " * (65_536 - len(GOOD_BODY))
    data = b"".join(b"1\r\n%c\r\n" % byte for byte in body)
    whole = framed("Transfer-Encoding: chunked")[: -len(SMUGGLED)] + data + b"0\r\n\r\n"
    with server.connect() as connection:
        assert connection.send(whole + SMUGGLED).response().status == 200
        assert connection.response().json() == {"status": "live"}


@pytest.mark.parametrize("extra", [1, 1_000_000 - 65_536], ids=["P5-one-more", "P5-a-million"])
def test_too_many_chunks(server, extra):
    before = server.resident_bytes()
    data = chunked(b"1\r\n \r\n" * (65_536 + extra) + b"0\r\n\r\n")
    with server.connect() as connection:
        one_answer_then_close(connection.send(data), 400, "TOO_MANY_CHUNKS")
    server.assert_grew_less_than(1 << 20, before)


def test_P11_just_below_the_limits(server):
    path = "/health/live?" + "a" * (8192 - len("/health/live?"))
    room = 32_768 - len("Host: localhost\r\nA: \r\n\r\n")
    for data in [get(path=path), get("A: " + "b" * room), get(*[f"A{i}: b" for i in range(99)])]:
        with server.connect() as connection:
            connection.send(data)
            assert connection.response().status == 200
            assert connection.response().status == 200  # what stands behind


def test_P11_10000_query_parameters(server):
    with server.connect() as connection:
        connection.send(get(path="/health/live?" + "&a" * 4000))
        one_answer_then_close(connection, {400, 414})


BAD_IN_THE_MIDDLE = {
    "P12-not-http": b"NONSENSE\r\n\r\n",
    "P12-two-lengths": framed("Content-Length: 5", "Content-Length: 6", body=b"hello"),
    "P12-chunked-and-length": FRAMING["P1-length-then-chunked"],
    "P12-nul-in-header": FRAMING["P3-nul-in-value"],
}


@pytest.mark.parametrize("bad", BAD_IN_THE_MIDDLE.values(), ids=BAD_IN_THE_MIDDLE.keys())
def test_1000_pipelined_requests_up_to_the_bad_one(server, bad):
    """Also the order: each answer bears the id of its request."""
    good = [wire.post(GOOD_PATH, GOOD_BODY, f"X-Request-Id: n{i}") for i in range(999)]
    expected = json.loads(server.send_good().body)["result"]
    with server.connect() as connection:
        connection.send(b"".join(good[:500]) + bad + b"".join(good[500:]))
        for i in range(500):
            response = connection.response()
            assert response.status == 200
            assert response.headers["x-request-id"] == f"n{i}"
            assert response.json()["result"] == expected
        one_answer_then_close(connection, 400, MALFORMED)


def test_P12_pipelined_errors_that_leave_the_connection_usable(server):
    """A wrong body is the request's fault, not the connection's."""
    pairs = [
        (GOOD_REQUEST, 200),
        (wire.post(GOOD_PATH, b"{"), 400),
        (GOOD_REQUEST, 200),
        (wire.request("GET", "/nowhere"), 404),
        (wire.post(GOOD_PATH, b"x", kind=""), 415),
        (wire.request("DELETE", GOOD_PATH), 405),
        (GOOD_REQUEST, 200),
    ] * 20
    with server.connect() as connection:
        connection.send(b"".join(data for data, _ in pairs))
        for _, status in pairs:
            response = connection.response()
            if status == 200:
                assert response.status == 200
            else:
                wire.assert_error(response, status)


TLS_HELLO = bytes.fromhex(
    "16030100f8010000f40303000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
) + bytes(range(200))
PROXY_V2 = b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c" + bytes(12)
UNALLOWED = {400, 405, 501}

NOT_FOR_US = {
    "P13-unknown-method": (UNALLOWED, get().replace(b"GET", b"FROB", 1)),
    "P13-lower-case-method": (UNALLOWED, get().replace(b"GET", b"get", 1)),
    "P13-method-of-1-KB": (UNALLOWED | {414}, get().replace(b"GET", b"G" * 1024, 1)),
    "P13-trace": (UNALLOWED, get().replace(b"GET", b"TRACE", 1)),
    "P13-connect": (UNALLOWED, b"CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    "P13-connect-with-path": (UNALLOWED, get().replace(b"GET", b"CONNECT", 1)),
    "P13-http-0.9": ({400}, b"GET /health/live\r\n"),
    "P13-http-2-preface": ({400, 505}, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    "P13-http-3.0": ({400, 505}, get().replace(b"HTTP/1.1", b"HTTP/3.0", 1)),
    "P13-http-1.10": ({400, 505}, get().replace(b"HTTP/1.1", b"HTTP/1.10", 1)),
    "P13-lower-case-http": ({400}, get().replace(b"HTTP/1.1", b"http/1.1", 1)),
    "P13-tls-hello": ({400}, TLS_HELLO),
    "P13-first-byte-of-tls": ({400}, b"\x16"),
    "P13-proxy-line": ({400}, b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n" + SMUGGLED),
    "P13-proxy-v2": ({400}, PROXY_V2 + SMUGGLED),
    "P13-ssh": ({400}, b"SSH-2.0-client\r\n"),
    "P13-redis": ({400}, b"*1\r\n$4\r\nPING\r\n"),
    "P13-random-bytes": ({400}, bytes(range(128, 256)) * 8),
    "P13-json-alone": ({400}, GOOD_BODY),
}


@pytest.mark.parametrize("statuses,data", NOT_FOR_US.values(), ids=NOT_FOR_US.keys())
def test_other_protocols_and_methods_are_refused_and_closed(server, statuses, data):
    with server.connect() as connection:
        one_answer_then_close(connection.send(data), statuses)


def test_P13_known_method_that_the_path_does_not_have(server):
    """The connection goes on: such a request is well formed."""
    with server.connect() as connection:
        for method, path, allowed in [
            ("GET", GOOD_PATH, "POST"),
            ("PUT", "/models", "GET"),
            ("DELETE", "/models/slow", "GET"),
            ("POST", "/health", "GET"),
        ]:
            response = connection.send(wire.request(method, path)).response()
            wire.assert_error(response, 405, "METHOD_NOT_ALLOWED")
            assert allowed in response.headers["allow"].split(", ")
        assert connection.send(GOOD_REQUEST).response().status == 200
