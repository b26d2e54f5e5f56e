"""`batch_invariant`: one input has the same answer to the last digit, whatever else is asked."""

import concurrent.futures
import json
import threading

import pytest

import wire
from support import (
    EXAMPLES,
    MODELS,
    Server,
    assert_close,
    copy_model,
    expected,
    muster,
    together,
    wait_until,
)


def found(server, model):
    shown = server.model(model)["batching"]["batch_invariant"]
    assert shown.keys() == {"found", "compared_rows", "enforced"}
    return shown["found"], shown["compared_rows"], shown["enforced"]


def digits(body, key):
    """What stands under `key`, with numbers as they are written."""
    return json.loads(body, parse_float=str)[key]


def iris_rows(count):
    rows = expected()["iris"]["inputs"]["features"]
    return [[value * (1 + 0.01 * (i % 53)) for value in rows[i % 5]] for i in range(count)]


def alone(server, rows):
    """The answers to `rows` while nothing else is asked."""
    with server.connect() as connection:
        answers = []
        for row in rows:
            connection.send(wire.post("/predict", {"inputs": row}))
            answers.append(digits(connection.response().body, "result"))
        return answers


def under_load(server, rows):
    """The answers to `rows`, each from one of 64 connections that all ask for other rows too."""
    others = iris_rows(64 * 8)
    mine = {64 * i + i * 7 % 64: row for i, row in enumerate(rows)}
    answers = {}
    lock = threading.Lock()

    def client(i):
        with server.connect() as connection:
            for n in range(64):
                key = 64 * n + i
                row = mine.get(key, others[key % len(others)])
                connection.send(wire.post("/predict", {"inputs": row}))
                response = connection.response()
                assert response.status == 200, response
                if key in mine:
                    with lock:
                        answers[key] = digits(response.body, "result")

    together(64, client)
    return [answers[key] for key in sorted(mine)]


def test_a_row_has_the_same_digits_alone_and_under_full_load(serve):
    # One instance: what comes while it runs is gathered.
    server = serve(EXAMPLES / "iris", "batch_invariant: true\ninstances: 1\n")
    class_found, compared, enforced = found(server, "iris")
    assert class_found in ("at_least_2", "all")  # the processor's choice
    assert (compared, enforced) == (64, True)
    logged = f"batch_invariant={class_found}, enforced"
    # The log is read by a thread of its own, which may be behind.
    wait_until(
        lambda: any(
            "model ready" in line and logged in line.replace('"', "") for line in server.errors
        ),
        "the log says so",
    )
    rows = iris_rows(64)
    before = alone(server, rows)
    batching = server.model("iris")["batching"]
    assert batching["batch_rows"]["max"] == 1, "padding is nobody's row"
    # Clients in Python are too slow to fill batches by themselves on a quick machine.
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        url = f"{server.url}/predict/iris"
        load = pool.submit(muster, "bench", url, "--inputs", 16, "--warm-up", 0, "-d", 1)
        assert under_load(server, rows) == before
        while not load.done():
            assert under_load(server, rows) == before
    assert load.result().returncode == 0, load.result()
    assert server.model("iris")["batching"]["batch_rows"]["max"] >= 8, "there was no load"
    assert alone(server, rows) == before


def test_one_row_or_many_in_a_body_make_no_difference(serve):
    server = serve(EXAMPLES / "iris", "batch_invariant: true\n")
    rows = iris_rows(150)
    response = server.post("/predict/batch", {"inputs": rows})
    assert digits(response.text, "predictions") == alone(server, rows)


def test_without_the_option_a_lone_row_of_iris_differs_and_muster_says_so(serve):
    server = serve(EXAMPLES / "iris", "")
    if found(server, "iris")[0] == "all":
        pytest.skip("this processor adds in one order for all sizes")
    assert found(server, "iris") == ("at_least_2", 16, False)
    rows = iris_rows(64)
    together_in_a_run = digits(server.post("/predict/batch", {"inputs": rows}).text, "predictions")
    one_by_one = alone(server, rows)
    assert together_in_a_run != one_by_one
    assert_close(
        [[float(p) for p in row["probabilities"]] for row in together_in_a_run],
        [[float(p) for p in row["probabilities"]] for row in one_by_one],
    )


def test_what_the_example_and_test_models_are_found_to_be(server):
    for name, wanted in {
        "breast_cancer": ("all", 16, False),
        "doubling": ("all", 16, False),
        "fixed_batch": ("all", 4, False),
        "fixed_one": ("one_row_runs", 0, False),
        "mixes_rows": ("one_row_runs", 2, False),
        "bits_by_size": ("none", 16, False),
    }.items():
        assert found(server, name) == wanted, name


def test_a_model_whose_bits_cannot_be_kept_is_refused_and_the_others_served(tmp_path):
    copy_model(MODELS / "bits_by_size", tmp_path, config="batch_invariant: true\n")
    copy_model(EXAMPLES / "iris", tmp_path)
    with Server(tmp_path) as server:
        shown = server.model("bits_by_size")
        assert shown["state"] == "FAILED"
        assert '`batch_invariant` cannot be kept: output "y"' in shown["reason"]
        wire_answer = server.post("/predict/bits_by_size", {"inputs": [1.0, 2.0, 3.0]})
        assert wire_answer.status_code == 503
        server.answer("/predict/iris", {"inputs": iris_rows(1)[0]})
        assert server.get("/health").json()["status"] == "degraded"


def test_a_model_without_a_class_keeps_its_bits_in_runs_of_one_row(serve):
    server = serve(MODELS / "bits_by_size", "batch_invariant: true\nmax_batch_size: 1\n")
    assert found(server, "bits_by_size") == ("one_row_runs", 1, True)
    rows = [[1.5, 2.5, 3.5]] * 10
    answer = digits(server.post("/predict/batch", {"inputs": rows}).text, "predictions")
    assert all(row == answer[0] for row in answer)
    assert server.model("bits_by_size")["batching"]["batch_rows"]["max"] == 1


def digits_of_equal_rows(server, length):
    """What ten equal rows in one body give; each begins at an address of its own."""
    rows = [[0.1 * (i % 7) + 0.01 * i for i in range(length)]] * 10
    answer = digits(server.post("/predict/batch", {"inputs": rows}).text, "predictions")
    return {json.dumps(row) for row in answer}


def test_where_a_row_begins_in_its_body_makes_no_difference(serve):
    server = serve(MODELS / "dynamic_shape", "batch_invariant: true\nmax_batch_size: 1\n")
    assert all(len(digits_of_equal_rows(server, length)) == 1 for length in range(1, 120))


def test_more_sizes_than_can_be_tried_are_refused(tmp_path):
    copy_model(EXAMPLES / "iris", tmp_path, config="batch_invariant: true\nmax_batch_size: 1000\n")
    ended = muster("serve", tmp_path, "--http-port", "0", "--metrics-port", "-1")
    assert ended.returncode == 1
    assert "`max_batch_size` expects at most 256" in ended.stderr
