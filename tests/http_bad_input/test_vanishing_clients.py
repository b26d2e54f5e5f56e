"""P19 and P20: clients that leave before they have their answer."""

import pytest

import support
import wire
from watched_server import GOOD_BODY, GOOD_PATH, GOOD_REQUEST, WatchedServer

ONE_AT_A_TIME = "policy: none\nmax_batch_size: 1\ninstances: 1\nmax_queue_rows: 1000\n"
SLOW = wire.post("/predict/slow", b'{"inputs": 1.5}')
MIB = 1 << 20


def big_request(size):
    return wire.post("/predict/string_input", b'{"inputs": "' + b"a" * size + b'"}')


def reset_after(server, data):
    connection = server.connect().send(data)
    connection.reset()


def half_close_after(server, data):
    connection = server.connect().send(data)
    connection.half_close()
    while not connection.ended:
        connection._receive()
    connection.socket.close()


def leave_after(server, data):
    server.connect().send(data).socket.close()


CHUNKED_HEAD = wire.request(
    "POST", GOOD_PATH, None, "Transfer-Encoding: chunked", "Content-Type: application/json"
)
EXPECTING = wire.post(GOOD_PATH, GOOD_BODY, "Expect: 100-continue")[: -len(GOOD_BODY)]
MOMENTS = {
    "P19-before-anything": b"",
    "P19-in-request-line": b"POST /pre",
    "P19-in-header": wire.post(GOOD_PATH, GOOD_BODY)[:40],
    "P19-before-body": wire.post(GOOD_PATH, GOOD_BODY)[: -len(GOOD_BODY)],
    "P19-in-body": wire.post(GOOD_PATH, GOOD_BODY)[:-5],
    "P19-in-large-body": big_request(MIB)[: MIB // 2],
    "P19-in-chunk-size": CHUNKED_HEAD + b"5",
    "P19-in-chunk": CHUNKED_HEAD + b"5\r\nhe",
    "P19-before-last-chunk": CHUNKED_HEAD + b"5\r\nhello\r\n",
    "P19-in-trailer": CHUNKED_HEAD + b"5\r\nhello\r\n0\r\nA: b",
    "P19-in-gzip": wire.post(GOOD_PATH, b"\x1f\x8b\x08" + bytes(20), "Content-Encoding: gzip")[:-5],
    "P19-expecting-100": EXPECTING,
    "P19-after-request": GOOD_REQUEST,
    "P19-after-20-requests": GOOD_REQUEST * 20,
    "P19-after-refused-body": wire.post("/nowhere", b"x" * 60_000)[:-50_000],
    "P19-after-malformed": b"GET / HTTP/1.1\nHost: a\n\n" + b"x" * 1000,
    "P19-before-large-reply": big_request(4 * MIB),
}


@pytest.mark.parametrize("leave", [reset_after, half_close_after, leave_after])
@pytest.mark.parametrize("data", MOMENTS.values(), ids=MOMENTS.keys())
def test_client_vanishes(server, data, leave):
    for _ in range(5):
        leave(server, data)
    server.assert_at_base(within=1.0)


def test_P19_reset_while_a_large_reply_is_written(server):
    """Half of the reply is on its way; the next write fails, with SIGPIPE if nobody minds."""
    for _ in range(10):
        connection = server.connect(receive_buffer=4096)
        connection.send(big_request(8 * MIB))
        connection.socket.recv(1000)
        connection.reset()
    server.assert_at_base(within=1.0)


def test_P19_end_of_stream_behind_a_request_in_the_middle_of_its_body(server):
    with server.connect() as connection:
        connection.send(wire.post(GOOD_PATH, GOOD_BODY)[:-5])
        connection.half_close()
        wire.assert_error(connection.response(), 400, "MALFORMED_REQUEST")
        connection.assert_ends()


def test_P19_half_closed_clients_get_their_answer_where_that_is_set(start_server):
    server = start_server(
        support.MODELS / "slow",
        support.MODELS / "two_inputs",
        args=["--cancel-on-half-close", "false"],
    )
    for data in [SLOW, GOOD_REQUEST, GOOD_REQUEST * 5, SLOW + GOOD_REQUEST]:
        with server.connect() as connection:
            connection.send(data)
            connection.half_close()
            for _ in range(data.count(b"POST ")):
                assert connection.response().status == 200
            connection.assert_ends()
    server.assert_unharmed()


@pytest.fixture(scope="module")
def own_server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    support.copy_model(support.MODELS / "slow", folder, config=ONE_AT_A_TIME)
    support.copy_model(support.MODELS / "two_inputs", folder)
    with WatchedServer(folder) as started:
        yield started


class Counters:
    """Of the model `slow`, as far as they have moved."""

    def __init__(self, server):
        self.server = server
        self.before = self.now()

    def now(self):
        model = self.server.stats_of("slow")
        stats, batching = model["stats"], model["batching"]
        return {
            "requests": model["request_count"],
            "runs": batching["runs"],
            "failed_runs": batching["failed_runs"],
            "succeeded": stats["rows_succeeded"],
            "failed": stats["rows_failed"],
            "cancelled": stats["cancelled"],
            "held": batching["waiting_requests"] + batching["running"],
            "running": batching["running"],
        }

    def moved(self):
        now = self.now()
        return {key: now[key] - self.before[key] for key in now}

    def wait(self, what, **wanted):
        support.wait_until(
            lambda: all(self.moved()[key] == value for key, value in wanted.items()),
            f"{what}: {wanted}, now {self.moved()}",
            10,
        )


@pytest.mark.parametrize("leave", ["reset", "half_close", "close"])
def test_P20_requests_that_are_left_in_the_queue_are_never_run(own_server, leave):
    """Twelve come first and stay, so that the twenty behind them wait. A trial counts if some of
    the twelve were still waiting when all of the twenty had left."""
    for _ in range(5):
        count = Counters(own_server)
        stay = [own_server.connect().send(SLOW) for _ in range(12)]
        support.wait_until(lambda now=count: now.moved()["requests"] == 12, "twelve have come", 5)
        leaving = [own_server.connect().send(SLOW) for _ in range(20)]
        support.wait_until(lambda now=count: now.moved()["requests"] == 32, "all have come", 5)
        for connection in leaving:
            connection.socket.close() if leave == "close" else getattr(connection, leave)()
        in_time = count.moved()["runs"] < 11
        for connection in stay:
            assert connection.response().json()["success"] is True
            connection.socket.close()
        count.wait("the queue is empty", held=0)
        for connection in leaving:
            connection.socket.close()
        if in_time:
            break
    moved = count.moved()
    assert in_time, f"five times too slow to leave: {moved}"
    assert moved["runs"] == moved["succeeded"] == 12, moved
    assert moved["cancelled"] == 20, moved
    assert moved["failed"] == 0, moved


def test_P20_request_that_is_left_while_it_executes(own_server):
    """A run takes some 30 ms; a trial counts if it was running before and after the client left."""
    trials = 0
    for _ in range(100):
        count = Counters(own_server)
        connection = own_server.connect().send(SLOW)
        with own_server.connect() as watcher:
            ask = wire.request("GET", "/models/slow")

            def running(watcher=watcher, ask=ask):
                return watcher.send(ask).response().json()["batching"]["running"]

            support.wait_until(running, "it runs", 5)
            connection.reset()
            executing = running()
        count.wait("nothing is held", held=0)
        if executing:
            trials += 1
            moved = count.moved()
            assert moved["runs"] <= 1 and moved["failed"] == 0, moved
            assert moved["cancelled"] == 1, moved
        if trials == 3:
            return
    raise AssertionError(f"only {trials} trials of 100 left in time")


def test_P20_half_executed_batch_gives_up_its_other_rows(own_server):
    count = Counters(own_server)
    batch = wire.post("/predict/slow/batch", {"inputs": [1.0] * 40})
    connection = own_server.connect().send(batch)
    support.wait_until(lambda: count.moved()["runs"] >= 2, "two of its rows have been run", 5)
    connection.reset()
    count.wait("nothing is held", held=0)
    moved = count.moved()
    assert moved["runs"] < 12, moved
    assert moved["cancelled"] == 1, moved
    assert moved["failed"] == 0, moved


def test_P20_pipelined_requests_of_a_client_that_has_left(own_server):
    """Only one of a connection's requests executes; the others must not begin once it has gone."""
    count = Counters(own_server)
    connection = own_server.connect().send(SLOW * 20)
    support.wait_until(lambda: count.moved()["requests"] >= 1, "the first has come", 5)
    connection.reset()
    own_server.assert_at_base(within=1.0)
    count.wait("nothing is held", held=0)
    moved = count.moved()
    assert moved["requests"] <= 3, moved
