"""Bodies that are a tensor instead of JSON, and answers in kind."""

import gzip
import json
import struct

import numpy as np
import pytest

import wire
from support import EXAMPLES, MODELS, Server, assert_close, assert_is_error, expected, wait_until

KNOWN = expected()
RAW = "application/octet-stream"
INPUTS = {"iris": "features", "breast_cancer_mlp": "features", "digits": "image"}
IN_KIND = {"Accept": RAW}


@pytest.fixture(scope="module")
def server():
    with Server(EXAMPLES, MODELS) as running:
        yield running


def rows_of(model):
    return np.asarray(KNOWN[model]["inputs"][INPUTS[model]], dtype="<f4")


IRIS = rows_of("iris")


def send(server, path, data, **headers):
    body = data.tobytes() if isinstance(data, np.ndarray) else data
    headers = {"Content-Type": RAW} | {k.replace("_", "-"): v for k, v in headers.items()}
    return server.post(path, data=body, headers=headers)


def answered(server, path, data, **headers):
    response = send(server, path, data, **headers)
    assert response.status_code == 200, response.text
    return response


DTYPES = {"FP32": "<f4", "INT64": "<i8", "FP64": "<f8", "UINT8": "u1", "BOOL": "u1"}


def array_in(response):
    """The tensor of an answer in kind, by what its headers say."""
    assert response.headers["Content-Type"] == RAW
    shape = [int(n) for n in response.headers["X-Muster-Shape"].split(",")]
    dtype = DTYPES[response.headers["X-Muster-Dtype"]]
    return np.frombuffer(response.content, dtype).reshape(shape)


# The same values as JSON


@pytest.mark.parametrize("model", INPUTS)
def test_one_row_is_answered_as_the_same_row_in_json(server, model):
    for row in rows_of(model):
        raw = answered(server, f"/predict/{model}", row).json()
        same = server.answer(f"/predict/{model}", {"inputs": row.tolist()})
        assert raw["result"] == same["result"]
        assert raw.keys() == same.keys()
        assert raw["metadata"]["input_shape"] == same["metadata"]["input_shape"]


@pytest.mark.parametrize("model", INPUTS)
@pytest.mark.parametrize("path", ["/predict/{}/batch", "/predict/{}/versions/1/batch"])
def test_many_rows_are_answered_as_the_same_batch_in_json(server, model, path):
    rows = rows_of(model)
    raw = answered(server, path.format(model), rows).json()
    same = server.answer(path.format(model), {"inputs": rows.tolist()})
    # Batches of other company may differ in the last bit.
    assert_close(raw["predictions"], same["predictions"])
    assert raw.keys() == same.keys()
    assert raw["batch_info"]["batch_size"] == len(rows)
    assert raw["metadata"]["input_shape"] == list(rows.shape)


@pytest.mark.parametrize("model", INPUTS)
def test_answers_in_kind_are_those_of_onnxruntime(server, model):
    wanted = np.asarray(KNOWN[model]["outputs"]["probabilities"], dtype="<f4")
    response = answered(
        server, f"/predict/{model}/batch?output=probabilities", rows_of(model), **IN_KIND
    )
    np.testing.assert_allclose(array_in(response), wanted, rtol=1e-5, atol=1e-6)
    assert response.headers["X-Muster-Output"] == "probabilities"
    assert response.headers["X-Muster-Model"] == model
    assert response.headers["X-Muster-Model-Version"] == "1"
    assert response.headers["X-Request-Id"].startswith("req_")


def test_the_only_output_need_not_be_named(server):
    answer = array_in(answered(server, "/predict/digits", rows_of("digits")[0], **IN_KIND))
    assert answer.shape == (1, 10)


def test_labels_are_their_own_type(server):
    response = answered(server, "/predict/iris/batch?output=label", IRIS, **IN_KIND)
    assert response.headers["X-Muster-Dtype"] == "INT64"
    assert array_in(response).tolist() == KNOWN["iris"]["outputs"]["label"]


def test_one_row_on_the_batch_path_is_a_batch(server):
    answer = answered(server, "/predict/iris/batch", IRIS[0]).json()
    assert len(answer["predictions"]) == 1


def test_a_request_id_comes_back_once(server):
    digit = rows_of("digits")[0].tobytes()
    with wire.Wire(server.address) as connection:
        for line in ("X-Request-Id: mine-1", "X-Other: 1"):
            connection.send(
                wire.post("/predict/digits", digit, f"Accept: {RAW}", line, kind=RAW)
            )
            response = connection.response()  # refuses headers that come twice
            assert response.status == 200
        assert response.headers["x-request-id"].startswith("req_")


@pytest.mark.parametrize(
    ("accept", "raw"),
    [
        ("*/*", False),
        ("application/json", False),
        ("application/json, application/octet-stream;q=0.5", False),
        ("application/octet-stream;q=0", False),
        ("application/octet-stream, */*;q=0.1", True),
    ],
)
def test_the_answer_is_raw_only_where_that_is_asked_for(server, accept, raw):
    response = answered(server, "/predict/digits", rows_of("digits")[0], Accept=accept)
    assert response.headers["Content-Type"] == (RAW if raw else "application/json")


def test_nan_passes_both_ways(server):
    rows = np.float32([1, np.nan])
    answer = answered(server, "/predict/nan_output/batch?output=y", rows, **IN_KIND)
    values = array_in(answer).ravel()
    assert np.isfinite(values[0]) and np.isnan(values[1])
    answer = answered(server, "/predict/nan_output/batch", rows).json()
    assert answer["predictions"][1]["y"] in (None, [None])
    assert answer["metadata"]["nonfinite"] is True


@pytest.mark.parametrize("count", [1, 3, 4, 9])
def test_a_model_of_four_rows_a_run_answers_any_number(server, count):
    rows = np.arange(3 * count, dtype="<f4").reshape(count, 3)
    answer = answered(server, "/predict/fixed_batch/batch", rows, **IN_KIND)
    np.testing.assert_array_equal(array_in(answer), 2 * rows)


def test_eight_megabytes_come_back_doubled(server):
    rows = np.random.default_rng(1).random((8_000_000 // 12, 3), dtype="<f4")
    # Twice on one connection: what the first left behind must not show in the second.
    for part in (rows, rows[::-1].copy()):
        answer = answered(server, "/predict/doubling/batch", part, **IN_KIND)
        np.testing.assert_array_equal(array_in(answer), 2 * part)


def test_many_connections_do_not_mix_their_memory(server):
    with wire.Wire(server.address) as one, wire.Wire(server.address) as two:
        for i in range(50):
            sent = [np.full((1 + 29 * ((i + k) % 7), 3), i + k, dtype="<f4") for k in range(2)]
            for connection, rows in zip((one, two), sent, strict=True):
                connection.send(
                    wire.post("/predict/doubling/batch", rows.tobytes(), f"Accept: {RAW}", kind=RAW)
                )
            for connection, rows in zip((one, two), sent, strict=True):
                response = connection.response()
                assert response.status == 200, response.body
                answer = np.frombuffer(response.body, "<f4").reshape(rows.shape)
                np.testing.assert_array_equal(answer, 2 * rows)


def test_a_client_that_leaves_while_its_rows_run_harms_nobody(server):
    before = server.model("slow")["request_count"]
    for _ in range(5):
        connection = wire.Wire(server.address)
        connection.send(wire.post("/predict/slow", np.float32([1.5]).tobytes(), kind=RAW))
        wait_until(lambda: server.model("slow")["request_count"] > before, "it was submitted")
        before = server.model("slow")["request_count"]
        connection.reset()
    answer = array_in(answered(server, "/predict/slow", np.float32([1.5]), **IN_KIND))
    assert_close(answer.tolist(), [KNOWN["slow"]["outputs_single"]["y"][0]])


def test_bodies_may_be_compressed(server):
    body = gzip.compress(IRIS.tobytes())
    answer = answered(server, "/predict/iris/batch", body, Content_Encoding="gzip").json()
    assert len(answer["predictions"]) == len(IRIS)


def test_priority_and_timeout_are_headers(server):
    headers = {"X-Request-Priority": "-3", "X-Request-Timeout-Ms": "5000"}
    assert answered(server, "/predict/iris", IRIS[0], **headers).json()["success"] is True
    response = send(server, "/predict/slow", np.float32([1.5]), **{"X-Request-Timeout-Ms": "0"})
    assert_is_error(response, 504, None)


# What is wrong


MARKED = struct.pack("<3f", -999, 0, 0)
GOOD = struct.pack("<3f", 1, 2, 3)


@pytest.mark.parametrize(
    ("path", "body", "status", "code", "words"),
    [
        ("iris", b"", 400, "EMPTY_BATCH", ["features", "16 bytes"]),
        ("iris/batch", b"", 400, "EMPTY_BATCH", ["features"]),
        ("iris", b"x" * 15, 400, "SHAPE", ["multiple of 16", "15"]),
        ("iris/batch", b"x" * 33, 400, "SHAPE", ["multiple of 16", "33"]),
        ("iris", b"\0" * 32, 400, "SHAPE", ["one row", "got 2", "/batch"]),
        ("two_inputs", b"\0" * 12, 400, "MISSING_INPUT", ["age", "income"]),
        ("typed_inputs/batch", b"\0" * 12, 400, "MISSING_INPUT", ["i64", "u8", "flag"]),
        ("string_input", b"green", 400, "TYPE", ["text", "string"]),
        ("dynamic_shape", b"\0" * 16, 400, "SHAPE", ["x", "fixed shape"]),
        ("iris?priority=1", b"\0" * 16, 400, "FIELD", ["priority", "X-Request-Priority"]),
        ("iris?output=label", b"\0" * 16, 400, "FIELD", ["output", "Accept"]),
        ("nobody", b"\0" * 16, 404, None, ["nobody"]),
        ("iris/versions/9", b"\0" * 16, 404, None, ["9"]),
        ("fails_on_marked_row", MARKED, 422, "INPUT_REJECTED_BY_MODEL", []),
    ],
)
def test_a_bad_body_is_refused_and_the_connection_goes_on(server, path, body, status, code, words):
    with wire.Wire(server.address) as connection:
        connection.send(wire.post(f"/predict/{path}", body, kind=RAW))
        wire.assert_error(connection.response(), status, code, words)
        connection.send(wire.post("/predict/iris", IRIS[0].tobytes(), kind=RAW))
        assert connection.response().status == 200


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("", ["label", "probabilities", "which"]),
        ("?output=", ["label", "probabilities"]),
        ("?output=nothing", ["nothing", "label", "probabilities"]),
        ("?output=label&output=label", ["several"]),
        ("?output=label&top_k=1", ["top_k"]),
    ],
)
def test_an_answer_in_kind_must_be_one_known_output(server, query, words):
    response = send(server, f"/predict/iris/batch{query}", IRIS, **IN_KIND)
    assert_is_error(response, 400, "FIELD", *words)


@pytest.mark.parametrize("value", ["high", "1.5", "3000000000", "1x"])
def test_a_priority_that_is_no_number_is_refused(server, value):
    response = send(server, "/predict/iris", IRIS[0], X_Request_Priority=value)
    assert_is_error(response, 400, "FIELD", "X-Request-Priority")


def test_strings_have_no_answer_in_kind(server):
    response = send(
        server, "/predict/zipmap_strings?output=output_label", rows_of("iris")[0], **IN_KIND
    )
    assert_is_error(response, 400, "FIELD", "output_label", "output_probability")


def test_a_failed_row_fails_alone_in_json_and_all_in_kind(server):
    body = GOOD + MARKED + GOOD
    answer = answered(server, "/predict/fails_on_marked_row/batch", body).json()
    assert answer["batch_info"]["failed_indices"] == [1]
    assert answer["predictions"][1] is None
    response = send(server, "/predict/fails_on_marked_row/batch", body, **IN_KIND)
    assert_is_error(response, 422, "INPUT_REJECTED_BY_MODEL", "row 1", "1 of 3")


def test_what_cannot_be_served_is_refused_before_its_body_comes(server):
    with wire.Wire(server.address) as connection:
        head = (
            "POST /predict/two_inputs HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n"
            f"Content-Type: {RAW}\r\nContent-Length: 60000000\r\n\r\n"
        )
        connection.send(head.encode())
        wire.assert_error(connection.response(), 400, "MISSING_INPUT", ["age"])


def test_a_path_without_a_model_takes_json_alone(server):
    for path in ("/predict", "/predict/batch"):
        response = send(server, path, b"\0" * 16)
        assert_is_error(response, 415, "UNSUPPORTED_MEDIA_TYPE", "application/json")


def test_the_document_names_the_type_both_ways(server):
    document = server.get("/openapi.json").json()
    for path in ("/predict/{model}", "/predict/{model}/versions/{version}/batch"):
        post = document["paths"][path]["post"]
        assert RAW in post["requestBody"]["content"]
        assert RAW in post["responses"]["200"]["content"]
        named = {(p["in"], p["name"]) for p in post["parameters"]}
        assert {("query", "output"), ("header", "X-Request-Priority")} <= named
    assert RAW not in json.dumps(document["paths"]["/predict"])
