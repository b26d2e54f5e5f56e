"""Concurrent requests are gathered into runs, and nobody's answer changes for it."""

import json

import pytest

import exposition
import wire
from support import (
    EXAMPLES,
    MODELS,
    Server,
    assert_close,
    expected,
    flat,
    together,
)


def send_at_once(server, path, bodies):
    """One connection per body; all are open before the first byte goes out, so that the requests
    arrive within a moment. Gives the answers' JSON in the order of the bodies."""
    connections = [server.connect() for _ in bodies]
    try:
        for connection, body in zip(connections, bodies, strict=True):
            connection.send(wire.post(path, body))
        answers = [connection.response() for connection in connections]
    finally:
        for connection in connections:
            connection.socket.close()
    for answer in answers:
        assert answer.status == 200, answer
    return [answer.json() for answer in answers]


def figures(server, model):
    """Runs, rows and the largest run, which /models and /metrics must agree about."""
    shown = server.model(model)
    batching = shown["batching"]
    families = exposition.parse(server.get("/metrics").text)
    labels = {"model": model, "version": "1"}
    sizes = "muster_batch_rows"
    buckets = families[sizes].samples
    assert exposition.value(families, "muster_runs_total", **labels) == batching["runs"]
    assert exposition.value(families, sizes, sizes + "_count", **labels) == batching["runs"]
    rows = exposition.value(families, sizes, sizes + "_sum", **labels)
    assert rows == pytest.approx(batching["batch_rows"]["mean"] * batching["runs"])
    requests = exposition.value(families, "muster_requests_total", **labels)
    assert requests == shown["request_count"]
    smallest_bound = min(
        float(bound["le"])
        for (name, pairs), count in buckets.items()
        if name == sizes + "_bucket" and count == batching["runs"]
        for bound in [dict(pairs)]
        if bound["model"] == model
    )
    assert batching["batch_rows"]["max"] <= smallest_bound
    assert sum(batching["launches"].values()) == batching["runs"]
    return batching["runs"], rows, batching["batch_rows"]["max"], batching["launches"]


def test_requests_that_come_while_the_model_is_busy_share_a_run(serve):
    server = serve(MODELS / "slow", "instances: 1\n")
    values = [float(i) for i in range(24)]
    answers = send_at_once(server, "/predict", [{"inputs": v} for v in values])
    assert_close(flat(answer["result"] for answer in answers), values)
    runs, rows, largest, _ = figures(server, "slow")
    assert rows == 24
    # The first may have run alone; the others came within one run of 30 ms.
    assert runs <= 6
    assert largest >= 8
    assert server.model("slow")["request_count"] == 24
    assert max(answer["metadata"]["batch_size"] for answer in answers) == largest


def test_concurrent_clients_share_runs_for_as_long_as_they_ask(serve):
    server = serve(MODELS / "slow", "instances: 1\n")

    def client(i):
        with server.connect() as connection:
            for n in range(5):
                connection.send(wire.post("/predict", {"inputs": 10.0 * i + n}))
                answer = connection.response()
                assert answer.status == 200
                assert_close(flat([answer.json()["result"]]), [10.0 * i + n])

    together(16, client)
    runs, rows, largest, _ = figures(server, "slow")
    assert rows == 80
    assert runs <= 40
    assert 2 <= largest <= 16


def test_the_share_of_a_run_that_was_shared_is_less_than_the_run(serve):
    server = serve(MODELS / "slow", "instances: 1\n")
    bodies = [{"inputs": [float(i), float(-i)]} for i in range(8)]
    answers = send_at_once(server, "/predict/batch", bodies)
    for i, answer in enumerate(answers):
        assert_close(flat(answer["predictions"]), [float(i), float(-i)])
        shares = answer["metadata"]["individual_inference_times"]
        inference = answer["batch_info"]["processing_time"]["inference_ms"]
        assert sum(shares) <= inference + 1e-6
        if answer["metadata"]["batch_size"] >= 4:
            assert sum(shares) <= 0.6 * inference


def test_without_concurrency_nobody_waits_for_company(serve):
    server = serve(MODELS / "slow", "instances: 1\n")
    for value in (1.0, 2.0, 3.0):
        answer = server.answer("/predict", {"inputs": value})
        assert answer["metadata"]["batch_size"] == 1
    runs, _, largest, launches = figures(server, "slow")
    assert (runs, largest) == (3, 1)
    assert launches["instance_free"] == 3


def test_policy_none_runs_each_request_alone(serve):
    server = serve(MODELS / "slow", "instances: 1\npolicy: none\n")
    values = [float(i) for i in range(8)]
    answers = send_at_once(server, "/predict", [{"inputs": v} for v in values])
    assert_close(flat(answer["result"] for answer in answers), values)
    runs, rows, largest, launches = figures(server, "slow")
    assert (runs, rows, largest) == (8, 8, 1)
    assert launches["single"] == 8


def test_64_concurrent_clients_get_the_values_of_one_by_one():
    rows = [
        [
            value * (1 + 0.003 * (i % 37))
            for value in expected()["breast_cancer_mlp"]["inputs"]["features"][i % 5]
        ]
        for i in range(64 * 4)
    ]
    with Server(EXAMPLES / "breast_cancer_mlp") as server:
        alone = [server.answer("/predict", {"inputs": row})["result"] for row in rows]
        assert len({json.dumps(result) for result in alone}) > 64  # not all the same

        def client(i):
            with server.connect() as connection:
                answers = []
                for n in range(4):
                    connection.send(wire.post("/predict", {"inputs": rows[4 * i + n]}))
                    response = connection.response()
                    assert response.status == 200, response
                    answers.append(response.json()["result"])
                return answers

        gathered = [result for answers in together(64, client) for result in answers]
        assert_close(gathered, alone, 1e-5)
        runs, run_rows, largest, _ = figures(server, "breast_cancer_mlp")
        assert run_rows == 512
        assert runs <= 512
        assert 1 <= largest <= 64


WINDOW = "policy: window\nmax_batch_size: 16\nmax_wait_ms: 10\ninstances: 1\nmax_queue_rows: 100\n"


def test_a_window_of_16_rows_and_10_ms_gathers_50_requests(serve):
    server = serve(EXAMPLES / "breast_cancer_mlp", WINDOW)
    known = expected()["breast_cancer_mlp"]
    rows = [known["inputs"]["features"][i % 5] for i in range(50)]
    answers = send_at_once(server, "/predict", [{"inputs": row} for row in rows])
    for i, answer in enumerate(answers):
        assert answer["result"]["label"] == known["outputs"]["label"][i % 5]
        wanted = known["outputs"]["probabilities"][i % 5]
        assert_close(answer["result"]["probabilities"], wanted, 1e-5)
    runs, run_rows, largest, launches = figures(server, "breast_cancer_mlp")
    assert run_rows == 50
    assert largest == 16
    assert 4 <= runs <= 25
    assert launches["full"] >= 1
    assert launches["full"] + launches["delay"] == runs


def test_a_lone_request_in_a_window_waits_as_long_as_the_window_lasts(serve):
    server = serve(EXAMPLES / "breast_cancer_mlp", WINDOW)
    row = expected()["breast_cancer_mlp"]["inputs"]["features"][0]
    for _ in range(3):
        times = server.answer("/predict", {"inputs": row})["metadata"]["processing_time"]
        assert times["queue_ms"] >= 9.9
    _, _, largest, launches = figures(server, "breast_cancer_mlp")
    assert largest == 1
    assert launches["delay"] == 3


def test_a_full_window_does_not_wait(serve):
    config = WINDOW.replace("max_wait_ms: 10", "max_wait_ms: 60000")
    server = serve(EXAMPLES / "breast_cancer_mlp", config)
    rows = [expected()["breast_cancer_mlp"]["inputs"]["features"][i % 5] for i in range(16)]
    answer = server.answer("/predict/batch", {"inputs": rows})
    assert answer["batch_info"]["successful_predictions"] == 16
    assert figures(server, "breast_cancer_mlp")[3]["full"] == 1


def test_a_request_larger_than_the_largest_run_is_split_and_merged(serve):
    server = serve(MODELS / "fails_on_marked_row", "max_batch_size: 8\n")
    rows = [[float(i), i + 0.5, -float(i)] for i in range(1, 101)]
    answer = server.answer("/predict/batch", {"inputs": rows})
    assert_close(answer["predictions"], [[2 * value for value in row] for row in rows])
    runs, run_rows, largest, _ = figures(server, "fails_on_marked_row")
    assert (run_rows, largest) == (100, 8)
    assert runs >= 13


def test_a_model_that_mixes_rows_is_never_batched(serve):
    known = expected()["mixes_rows"]
    rows, alone = known["inputs"]["x"], known["outputs_single"]["y"]
    server = serve(MODELS / "mixes_rows", "max_queue_rows: 100\n")
    batching = server.model("mixes_rows")["batching"]
    assert batching["batchable"] is False
    assert '"y"' in batching["reason"]
    assert batching["max_batch_size"] == 1
    answers = send_at_once(server, "/predict", [{"inputs": rows[i % 3]} for i in range(30)])
    assert_close([answer["result"] for answer in answers], [alone[i % 3] for i in range(30)])
    answer = server.answer("/predict/batch", {"inputs": rows})
    assert_close(answer["predictions"], alone)
    runs, run_rows, largest, _ = figures(server, "mixes_rows")
    assert (runs, run_rows, largest) == (33, 33, 1)
    assert any("mixes_rows" in line and "not batched" in line for line in server.errors)


def test_a_model_that_is_not_batched_has_room_for_as_many_waiting_rows_as_others():
    with Server(MODELS / "mixes_rows") as server:
        batching = server.model("mixes_rows")["batching"]
        assert batching["max_queue_rows"] == max(4096, 2 * 64 * batching["instances"])


def test_a_model_that_answers_other_rows_than_it_is_asked_is_never_batched():
    rows = expected()["wrong_rows"]["inputs"]["x"]
    with Server(MODELS / "wrong_rows") as server:
        assert server.model("wrong_rows")["batching"]["batchable"] is False
        # Alone, each row is its own sum.
        assert_close(server.answer("/predict/batch", {"inputs": rows})["predictions"], rows)
        assert figures(server, "wrong_rows")[2] == 1


def test_a_configuration_that_insists_on_batching_is_followed(serve):
    known = expected()["mixes_rows"]
    config = "batchable: true\npolicy: window\nmax_batch_size: 3\nmax_wait_ms: 60000\n"
    server = serve(MODELS / "mixes_rows", config)
    answer = server.answer("/predict/batch", {"inputs": known["inputs"]["x"]})
    assert_close(answer["predictions"], known["outputs"]["y"])


def test_rows_of_different_lengths_do_not_meet_in_a_run(serve):
    server = serve(MODELS / "dynamic_shape", "instances: 1\n")
    rows = [[float(i + 1)] * (1 + i % 4) for i in range(32)]
    answers = send_at_once(server, "/predict", [{"inputs": row} for row in rows])
    assert_close(flat(answer["result"] for answer in answers), [sum(row) for row in rows])


def test_a_row_that_fails_a_run_harms_no_neighbour(serve):
    # One window for all: good and bad are in the same run for certain.
    config = "policy: window\nmax_batch_size: 8\nmax_wait_ms: 60000\ninstances: 1\n"
    server = serve(MODELS / "fails_on_marked_row", config)
    rows = [[float(i), 1.0, 2.0] for i in range(8)]
    rows[5][0] = -999.0
    connections = [server.connect() for _ in rows]
    for connection, row in zip(connections, rows, strict=True):
        connection.send(wire.post("/predict", {"inputs": row}))
    answers = [connection.response() for connection in connections]
    for i, answer in enumerate(answers):
        connections[i].socket.close()
        if i == 5:
            wire.assert_error(answer, 422, "INPUT_REJECTED_BY_MODEL")
        else:
            assert_close(answer.json()["result"], [2 * value for value in rows[i]])
    batching = server.model("fails_on_marked_row")["batching"]
    assert batching["batch_rows"]["max"] == 8
    assert batching["failed_runs"] >= 2
    assert batching["launches"]["isolate"] >= 2


def test_one_bad_row_of_32_takes_at_most_ten_extra_runs(serve):
    config = "policy: window\nmax_batch_size: 32\nmax_wait_ms: 60000\ninstances: 1\n"
    server = serve(MODELS / "fails_on_marked_row", config)
    rows = [[float(i), 1.0, 2.0] for i in range(32)]
    rows[21][0] = -999.0
    answer = server.answer("/predict/batch", {"inputs": rows})
    assert answer["batch_info"]["successful_predictions"] == 31
    assert answer["batch_info"]["failed_indices"] == [21]
    wanted = [None if i == 21 else [2 * value for value in row] for i, row in enumerate(rows)]
    assert_close(answer["predictions"], wanted)
    batching = server.model("fails_on_marked_row")["batching"]
    assert batching["batch_rows"]["max"] == 32
    assert batching["launches"]["isolate"] <= 10


def test_rows_that_are_not_numbers_leave_their_neighbours_digits_alone(serve):
    config = "policy: window\nmax_batch_size: 4\nmax_wait_ms: 60000\ninstances: 1\n"
    server = serve(MODELS / "nan_output", config)
    asked = [0.3, -1.0, 0.7, 0.0], [0.3, 0.4, 0.7, 0.5]  # log of -1 is not a number, of 0 infinite
    with_nan, without = (
        server.answer("/predict/batch", {"inputs": list(values)})["predictions"] for values in asked
    )
    assert with_nan[0] == without[0]
    assert with_nan[2] == without[2]
    assert flat([with_nan[1]["log"], with_nan[3]["log"]]) == [None, None]
    assert server.model("nan_output")["batching"]["batch_rows"]["mean"] == 4


def test_an_answer_of_too_few_rows_reaches_nobody(serve):
    config = "batchable: true\npolicy: window\nmax_batch_size: 3\nmax_wait_ms: 60000\n"
    server = serve(MODELS / "wrong_rows", config)
    connections = [server.connect() for _ in range(3)]
    for connection in connections:
        connection.send(wire.post("/predict", {"inputs": [1.0, 2.0, 3.0]}))
    for connection in connections:
        wire.assert_error(connection.response(), 500, "BACKEND_INVALID")
        connection.socket.close()
    batching = server.model("wrong_rows")["batching"]
    assert (batching["runs"], batching["failed_runs"]) == (1, 1), "no run is made again"


def test_a_request_of_higher_priority_is_run_first(serve):
    server = serve(MODELS / "slow", "instances: 1\nmax_batch_size: 1\nmax_queue_rows: 1000\n")
    # Four rows keep the only instance busy while the others arrive.
    bodies = [("/predict/batch", {"inputs": [0.0] * 4})]
    bodies += [("/predict", {"inputs": 1.0, "priority": 0})] * 3
    bodies += [("/predict", {"inputs": 2.0, "priority": 5})] * 3
    connections = [server.connect() for _ in bodies]
    for connection, (path, body) in zip(connections, bodies, strict=True):
        connection.send(wire.post(path, body))
    answers = [connection.response().json() for connection in connections]
    for connection in connections:
        connection.socket.close()
    low = [answer["timestamp"] for answer in answers[1:4]]
    high = [answer["timestamp"] for answer in answers[4:]]
    assert max(high) < min(low)


def test_a_full_queue_refuses_and_what_it_took_is_answered(serve):
    server = serve(MODELS / "slow", "instances: 1\nmax_batch_size: 1\nmax_queue_rows: 4\n")
    connections = [server.connect() for _ in range(20)]
    for i, connection in enumerate(connections):
        connection.send(wire.post("/predict", {"inputs": float(i)}))
    refused = 0
    for i, connection in enumerate(connections):
        answer = connection.response()
        connection.socket.close()
        if answer.status == 503:
            wire.assert_error(answer, 503, "QUEUE_FULL")
            refused += 1
        else:
            assert answer.status == 200
            assert_close(flat([answer.json()["result"]]), [float(i)])
    assert 1 <= refused <= 16
    shown = server.model("slow")
    assert shown["stats"]["refused"] == refused
    assert shown["stats"]["rows_succeeded"] == 20 - refused
