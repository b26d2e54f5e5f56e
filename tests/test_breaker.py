"""A model whose backend keeps failing is left alone for a while, and the others are served."""

import time

import exposition
import pytest

import wire
from support import MODELS, PATIENCE, Server, copy_model, wait_until

TWO_ROWS = {"inputs": [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]}
MARKED = {"inputs": [-999.0, 0.0, 0.0]}
ROW = {"inputs": [1.0, 2.0, 3.0]}


@pytest.fixture
def server(tmp_path):
    """`wrong_rows` answers one row well and fails every run of more; no other model ever fails but
    for what a client sent."""
    copy_model(MODELS / "wrong_rows", tmp_path, config="batchable: true\ninstances: 1\n")
    copy_model(MODELS / "doubling", tmp_path)
    copy_model(MODELS / "fails_on_marked_row", tmp_path)
    with Server(tmp_path) as started:
        yield started


def ask(server, path, body):
    with server.connect() as connection:
        return connection.send(wire.post(path, body)).response()


def fail(server, times=1):
    for _ in range(times):
        answer = ask(server, "/predict/wrong_rows/batch", TWO_ROWS)
        assert answer.status == 200, answer
        assert answer.json()["predictions"] == [None, None], answer


def breaker(server):
    return server.model("wrong_rows")["breaker"]


def transitions(server, to):
    families = exposition.parse(server.get("/metrics").text)
    labels = {"model": "wrong_rows", "version": "1", "to": to}
    return exposition.value(families, "muster_breaker_transitions_total", **labels)


def lines_of(server, word):
    """Lines of the log about transitions to a state."""
    return [line for line in server.errors if f" to={word} " in line]


def test_a_failing_backend_is_left_alone_until_it_recovers(server):
    fail(server, 4)
    assert breaker(server) == {"state": "closed", "opened": 0, "refused": 0, "retry_after_ms": 0}
    fail(server)
    opened_at = time.monotonic()
    assert breaker(server)["state"] == "open"
    runs = server.model("wrong_rows")["batching"]["runs"]

    for path, body in [("", ROW), ("/batch", TWO_ROWS)]:
        refused = ask(server, "/predict/wrong_rows" + path, body)
        wire.assert_error(refused, 503, "BREAKER_OPEN")
        assert 1 <= int(refused.headers["retry-after"]) <= 6
        assert 0 < int(refused.headers["retry-after-ms"]) <= 6000
    shown = server.model("wrong_rows")
    assert shown["batching"]["runs"] == runs == 5, "no run is made"
    assert shown["breaker"]["refused"] == 2
    assert ask(server, "/predict/doubling", ROW).status == 200
    assert server.model("doubling")["breaker"]["state"] == "closed"
    assert server.get("/health/ready").status_code == 200
    health = server.get("/health").json()
    assert health["status"] == "degraded"
    assert any("wrong_rows" in problem for problem in health["problems"]), health

    # A probe that fails opens it again, for longer.
    wait_until(lambda: breaker(server)["state"] == "half_open", "the open time passes")
    assert time.monotonic() - opened_at > 3.5
    fail(server)
    assert breaker(server)["retry_after_ms"] > 6000
    wire.assert_error(ask(server, "/predict/wrong_rows", ROW), 503, "BREAKER_OPEN")

    # One row is what it can do: five probes pass.
    wait_until(lambda: breaker(server)["state"] == "half_open", "the open time passes", PATIENCE)
    for _ in range(5):
        assert ask(server, "/predict/wrong_rows", ROW).status == 200
    assert breaker(server)["state"] == "closed"
    assert server.get("/health").json()["status"] == "healthy"
    assert [transitions(server, to) for to in ("open", "half_open", "closed")] == [2, 2, 1]
    assert [len(lines_of(server, to)) for to in ("open", "half_open", "closed")] == [2, 2, 1]


def test_rows_that_a_model_refuses_never_open_its_breaker(server):
    for _ in range(30):
        wire.assert_error(
            ask(server, "/predict/fails_on_marked_row", MARKED), 422, "INPUT_REJECTED_BY_MODEL"
        )
    for _ in range(30):
        wire.assert_error(ask(server, "/predict/fails_on_marked_row", {"inputs": "x"}), 400)
    assert server.model("fails_on_marked_row")["breaker"]["opened"] == 0
    assert ask(server, "/predict/fails_on_marked_row", ROW).status == 200
    assert server.get("/health").json()["status"] == "healthy"
