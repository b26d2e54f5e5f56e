"""P8 and P9: clients that take their time."""

import selectors
import threading
import time

import pytest

import support
import wire
from watched_server import GOOD_BODY, GOOD_PATH, GOOD_REQUEST, WatchedServer, is_sanitized

MODELS = [support.MODELS / "two_inputs", support.MODELS / "string_input"]
MIB = 1 << 20


@pytest.fixture(scope="module")
def own_server():
    options = ["--header-timeout-ms", 600, "--idle-timeout-ms", 800, "--write-timeout-ms", 500]
    with WatchedServer(*MODELS, args=options) as started:
        yield started


def latencies(server, count):
    """Seconds of requests on one connection, one after the other."""
    taken = []
    with server.connect() as connection:
        for _ in range(count):
            begin = time.perf_counter()
            assert connection.send(GOOD_REQUEST).response().status == 200
            taken.append(time.perf_counter() - begin)
    return sorted(taken)


def test_P8_1000_slow_headers_end_and_nobody_else_notices(own_server):
    """One byte every 100 ms each: data keeps coming, so only a limit on the whole header helps."""
    head = wire.request("GET", "/health/live")
    base_p99 = latencies(own_server, 300)[296]
    slow = [own_server.connect() for _ in range(1000)]
    begin = time.monotonic()
    during = []
    good = threading.Thread(target=lambda: during.extend(latencies(own_server, 300)))
    ends = {}
    with selectors.DefaultSelector() as readable:
        for connection in slow:
            readable.register(connection.socket, selectors.EVENT_READ, connection)
        good.start()
        for at in range(len(head) - 1):
            for key in readable.get_map().values():
                try:
                    key.fileobj.send(head[at : at + 1])
                except ConnectionError:
                    pass  # its end is read below
            round_end = begin + 0.1 * (at + 1)
            while (left := round_end - time.monotonic()) > 0:
                for key, _ in readable.select(left):
                    ends[key.data] = time.monotonic() - begin
                    readable.unregister(key.fileobj)
            if not readable.get_map():
                break
    good.join(wire.PATIENCE)
    assert len(ends) == 1000, f"{1000 - len(ends)} are still open"
    assert min(ends.values()) >= 0.5 and max(ends.values()) < 2.5, (
        min(ends.values()),
        max(ends.values()),
    )
    for connection in slow:
        wire.assert_error(connection.response(), 408, "REQUEST_TIMEOUT")
        connection.assert_ends()
        connection.socket.close()
    assert len(during) == 300
    assert during[296] < base_p99 + 0.1, (base_p99, during[296])


def test_P8_header_that_stops_in_the_middle(own_server):
    begin = time.monotonic()
    with own_server.connect() as connection:
        connection.send(b"GET /health/live HTTP/1.1\r\nHost: loc")
        wire.assert_error(connection.response(), 408, "REQUEST_TIMEOUT")
        connection.assert_ends()
    assert 0.5 < time.monotonic() - begin < 2


def test_P8_second_request_has_the_same_limit(own_server):
    with own_server.connect() as connection:
        assert connection.send(GOOD_REQUEST + b"GET /").response().status == 200
        wire.assert_error(connection.response(), 408, "REQUEST_TIMEOUT")
        connection.assert_ends()


def test_P8_silent_connections_are_closed_without_a_word(own_server):
    silent = [own_server.connect() for _ in range(20)]
    used = own_server.connect()
    assert used.send(GOOD_REQUEST).response().status == 200
    begin = time.monotonic()
    for connection in [*silent, used]:
        connection.assert_ends()
        connection.socket.close()
    assert time.monotonic() - begin < 2


def test_P9_slow_bodies_are_ended(server):
    """Ten bytes a second each; what counts is the least rate over ten seconds, so it takes ten."""
    declared = {"length": "Content-Length: 5000", "chunks": "Transfer-Encoding: chunked"}
    connections = []
    for framing in declared.values():
        start = wire.request("POST", GOOD_PATH, None, framing, "Content-Type: application/json")
        connections.append(server.connect().send(start))
    # One that sends nothing of its body at all.
    connections.append(server.connect().send(wire.post(GOOD_PATH, GOOD_BODY)[:-10]))
    begin = time.monotonic()
    ended = {}
    while len(ended) < 3 and time.monotonic() - begin < 13:
        tick = time.monotonic() + 0.1
        for i, connection in enumerate(connections[:2]):
            if i not in ended:
                connection.send(b" " if i == 0 else b"1\r\n \r\n")
        while (left := tick - time.monotonic()) > 0:
            waiting = [c for i, c in enumerate(connections) if i not in ended]
            with selectors.DefaultSelector() as readable:
                for connection in waiting:
                    readable.register(connection.socket, selectors.EVENT_READ, connection)
                for key, _ in readable.select(left):
                    ended[connections.index(key.data)] = time.monotonic() - begin
            if len(ended) == 3:
                break
    assert len(ended) == 3, ended
    assert all(9 < after < 12 for after in ended.values()), ended
    for connection in connections:
        wire.assert_error(connection.response(), 408, "REQUEST_TIMEOUT")
        connection.assert_ends()
        connection.socket.close()


# A model that answers with what it was given: replies as large as requests.
ECHO_PATH = "/predict/string_input"


def echo_request(size):
    return wire.post(ECHO_PATH, b'{"inputs": "' + b"a" * size + b'"}')


def test_P9_readers_that_never_read_are_closed(own_server):
    """One after the other: each is closed, and what the first took is enough for all others."""
    resident = []
    for i in range(1, 6):
        with own_server.connect(receive_buffer=4096) as connection:
            connection.send(echo_request(8 * MIB))
            begin = time.monotonic()
            support.wait_until(
                lambda count=i: own_server.metric("muster_http_client_gone_total") >= count,
                "the reader is left",
            )
            assert time.monotonic() - begin < 2
            own_server.assert_at_base()
        resident.append(own_server.resident_bytes())
    if not is_sanitized():
        assert min(resident[2:]) - max(resident[:2]) < MIB, [size // MIB for size in resident]


def test_P9_reader_that_reads_a_trickle_is_closed(own_server):
    """Bytes do flow, but at this rate the answer would take days."""
    with own_server.connect(receive_buffer=4096) as connection:
        connection.send(echo_request(20 * MIB))
        begin = time.monotonic()
        gone = threading.Event()
        while time.monotonic() - begin < 6 and not gone.is_set():
            try:
                if not connection.socket.recv(16):
                    break
            except ConnectionError:
                break
            gone.wait(0.02)
            if own_server.descriptors() <= own_server.base_descriptors:
                break
        assert time.monotonic() - begin < 5


def test_P9_reader_that_pauses_gets_everything(own_server):
    """A pause shorter than the time-out is no reason to close."""
    pause = threading.Event()
    with own_server.connect(receive_buffer=65_536) as connection:
        connection.send(echo_request(2 * MIB))
        for _ in range(3):
            connection._receive()
            pause.wait(0.3)
        assert len(connection.response().body) > 2 * MIB


def test_P9_pipelined_replies_do_not_pile_up(own_server):
    """200 requests for 1 MiB each, nothing read: the server must not compute ahead."""
    before = own_server.resident_bytes()
    own_server.forget_peak()
    request = echo_request(MIB)
    with own_server.connect(receive_buffer=4096) as connection:
        connection.socket.settimeout(0.3)
        try:
            for _ in range(200):
                connection.socket.sendall(request)
        except (TimeoutError, ConnectionError):
            pass
        support.wait_until(
            lambda: own_server.descriptors() <= own_server.base_descriptors, "it is closed", 5
        )
    own_server.assert_grew_less_than(24 * MIB, before, peak=True)
