"""The Open Inference Protocol under /v2: inference in JSON and binary, metadata, state, figures."""

import gzip
import json
import struct

import numpy as np
import pytest
import requests

import wire
from support import (
    EXAMPLES,
    MODELS,
    PATIENCE,
    Server,
    assert_close,
    assert_is_error,
    copy_model,
    expected,
    wait_until,
)
from wire import numbers

KNOWN = expected()
RAW = "application/octet-stream"
JSON_BYTES = "Inference-Header-Content-Length"
DTYPES = {"BOOL": "?", "UINT8": "u1", "INT64": "<i8", "FP32": "<f4", "FP64": "<f8"}
IRIS = KNOWN["iris"]["inputs"]["features"]
IRIS_LABELS = KNOWN["iris"]["outputs"]["label"]
IRIS_PROBABILITIES = KNOWN["iris"]["outputs"]["probabilities"]
# Those with values that JSON has, in tensors and not in maps.
COMPARED = [
    "breast_cancer_mlp",
    "digits",
    "doubling",
    "dynamic_shape",
    "example",
    "fixed_batch",
    "fixed_one",
    "iris",
    "mixes_rows",
    "string_input",
    "two_inputs",
    "typed_inputs",
]


@pytest.fixture(scope="module")
def server():
    with Server(EXAMPLES, MODELS) as running:
        yield running


def shape_of(rows):
    return [len(rows), *shape_of(rows[0])] if isinstance(rows, list) else []


def tensor(name, datatype, rows, **more):
    """An input in JSON; its `data` are flat unless `more` has others."""
    described = {"name": name, "datatype": datatype, "shape": shape_of(rows)}
    return described | {"data": numbers(rows)} | more


def to_bytes(datatype, rows):
    """The elements as they follow the JSON."""
    if datatype != "BYTES":
        return np.array(numbers(rows), DTYPES[datatype]).tobytes()
    texts = [text.encode() for text in numbers(rows)]
    return b"".join(struct.pack("<I", len(text)) + text for text in texts)


def of_bytes(datatype, data):
    if datatype != "BYTES":
        return np.frombuffer(data, DTYPES[datatype]).tolist()
    texts = []
    while data:
        size = 4 + struct.unpack_from("<I", data)[0]
        texts.append(data[4:size].decode())
        data = data[size:]
    return texts


def datatypes(server, model):
    """Of a model's inputs, by name."""
    metadata = server.get(f"/v2/models/{model}").json()
    return {each["name"]: each["datatype"] for each in metadata["inputs"]}


def json_body(server, model, inputs):
    kinds = datatypes(server, model)
    return {"inputs": [tensor(name, kinds[name], rows) for name, rows in inputs.items()]}


def binary_body(server, model, inputs):
    """JSON and the bytes that belong behind it."""
    kinds = datatypes(server, model)
    body = {"inputs": [], "parameters": {"binary_data_output": True}}
    tail = b""
    for name, rows in inputs.items():
        data = to_bytes(kinds[name], rows)
        described = tensor(name, kinds[name], rows, parameters={"binary_data_size": len(data)})
        del described["data"]
        body["inputs"].append(described)
        tail += data
    return body, tail


def send(server, path, text, tail=b"", **headers):
    """A request with bytes behind its JSON."""
    text = text if isinstance(text, bytes) else json.dumps(text).encode()
    named = {"Content-Type": RAW, JSON_BYTES: str(len(text))}
    named |= {name.replace("_", "-"): value for name, value in headers.items()}
    return server.post(path, data=text + tail, headers=named)


def values_of(response):
    """An answer's outputs by name, flat, and the answer's JSON."""
    assert response.status_code == 200, response.text
    if JSON_BYTES not in response.headers:
        assert response.headers["Content-Type"] == "application/json"
        text, tail = response.content, b""
    else:
        assert response.headers["Content-Type"] == RAW
        size = int(response.headers[JSON_BYTES])
        text, tail = response.content[:size], response.content[size:]
    answer = wire.strict_json(text)
    values = {}
    for output in answer["outputs"]:
        if "data" in output:
            values[output["name"]] = numbers(output["data"])
        else:
            size = output["parameters"]["binary_data_size"]
            values[output["name"]] = of_bytes(output["datatype"], tail[:size])
            tail = tail[size:]
    assert tail == b"", "bytes that belong to no output"
    return values, answer


def assert_as_known(model, response):
    """All outputs are there, in the model's order, as ONNX Runtime gives them."""
    values, answer = values_of(response)
    assert (answer["model_name"], answer["model_version"]) == (model, "1")
    # The rows of this one change each other's answers, so muster runs them one at a time.
    wanted = KNOWN[model]["outputs_single" if model == "mixes_rows" else "outputs"]
    assert [output["name"] for output in answer["outputs"]] == list(wanted)
    for output in answer["outputs"]:
        rows = wanted[output["name"]]
        assert output["shape"] == shape_of(rows)
        assert_close(values[output["name"]], numbers(rows), where=output["name"])


# Values


@pytest.mark.parametrize("model", COMPARED)
def test_json_is_answered_as_onnxruntime_does(server, model):
    body = json_body(server, model, KNOWN[model]["inputs"])
    assert_as_known(model, server.post(f"/v2/models/{model}/infer", body))
    assert_as_known(model, server.post(f"/v2/models/{model}/versions/1/infer", body))


@pytest.mark.parametrize("model", COMPARED)
def test_binary_tensors_are_answered_in_kind_as_onnxruntime_does(server, model):
    text, tail = binary_body(server, model, KNOWN[model]["inputs"])
    response = send(server, f"/v2/models/{model}/infer", text, tail)
    assert JSON_BYTES in response.headers
    assert_as_known(model, response)


@pytest.mark.parametrize("model", ["digits", "typed_inputs", "string_input"])
def test_data_may_be_nested_as_the_shape_is(server, model):
    inputs = KNOWN[model]["inputs"]
    body = json_body(server, model, inputs)
    for described in body["inputs"]:
        described["data"] = inputs[described["name"]]
    assert_as_known(model, server.post(f"/v2/models/{model}/infer", body))


@pytest.mark.parametrize("model", ["digits", "iris", "doubling"])
def test_a_body_may_be_the_only_input_and_nothing_else(server, model):
    (rows,) = KNOWN[model]["inputs"].values()
    response = send(server, f"/v2/models/{model}/infer", b"", to_bytes("FP32", rows))
    assert_as_known(model, response)


@pytest.mark.parametrize("count", [1, 3, 4, 9])
def test_a_model_of_four_rows_a_run_answers_any_number(server, count):
    rows = [[float(i), -2.0, 0.5 * i] for i in range(count)]
    body = json_body(server, "fixed_batch", {"x": rows})
    values, answer = values_of(server.post("/v2/models/fixed_batch/infer", body))
    assert values["y"] == [2 * v for v in numbers(rows)]
    assert answer["outputs"][0]["shape"] == [count, 3]


def test_more_rows_than_a_run_takes_are_split_and_merged(server):
    count = 3 * server.model("two_inputs")["batching"]["max_batch_size"] + 1
    inputs = {"age": [[2 * i] for i in range(count)], "income": [[4, 4 * i] for i in range(count)]}
    body = json_body(server, "two_inputs", inputs)
    values, _ = values_of(server.post("/v2/models/two_inputs/infer", body))
    assert values["score"] == [2.0 * i + 1 for i in range(count)]


def test_eight_megabytes_come_back_doubled(server):
    rows = np.random.default_rng(1).random((8_000_000 // 12, 3), dtype="<f4")
    text = {
        "inputs": [
            {
                "name": "x",
                "datatype": "FP32",
                "shape": list(rows.shape),
                "parameters": {"binary_data_size": rows.nbytes},
            }
        ],
        "outputs": [{"name": "y", "parameters": {"binary_data": True}}],
    }
    # Lengths of JSON that put the bytes behind it at every address that a float may have or not.
    for spaces in range(4):
        padded = json.dumps(text).encode() + b" " * spaces
        response = send(server, "/v2/models/doubling/infer", padded, rows.tobytes())
        assert response.status_code == 200, response.text
        answer = np.frombuffer(response.content[int(response.headers[JSON_BYTES]) :], "<f4")
        np.testing.assert_array_equal(answer.reshape(rows.shape), 2 * rows)


def test_what_is_not_finite_is_null_in_json_and_passes_in_binary(server):
    rows = KNOWN["nan_output"]["inputs"]["x"]
    body = json_body(server, "nan_output", {"x": rows})
    values, answer = values_of(server.post("/v2/models/nan_output/infer", body))
    assert values == {"y": [1, 0, -1], "log": [0, None, None]}
    by_name = {output["name"]: output.get("parameters", {}) for output in answer["outputs"]}
    assert by_name["log"]["nonfinite"] is True
    assert by_name["y"].get("nonfinite", False) is False
    text, tail = binary_body(server, "nan_output", {"x": [[1.0], [float("nan")], [0.0]]})
    values, _ = values_of(send(server, "/v2/models/nan_output/infer", text, tail))
    assert np.array_equal(values["y"], [1, np.nan, 0], equal_nan=True)
    assert np.array_equal(values["log"], [0, np.nan, -np.inf], equal_nan=True)


# What a client may ask for


def iris(**more):
    return {"inputs": [tensor("features", "FP32", IRIS)]} | more


def test_outputs_come_in_the_order_asked_and_no_others(server):
    for names in (["probabilities"], ["label"], ["probabilities", "label"]):
        body = iris(outputs=[{"name": name} for name in names])
        values, _ = values_of(server.post("/v2/models/iris/infer", body))
        assert list(values) == names


def test_each_output_is_in_binary_or_not_as_it_is_asked_for(server):
    outputs = [{"name": "probabilities", "parameters": {"binary_data": True}}, {"name": "label"}]
    response = server.post("/v2/models/iris/infer", iris(outputs=outputs))
    values, answer = values_of(response)
    assert "data" not in answer["outputs"][0] and "data" in answer["outputs"][1]
    assert_close(values["probabilities"], numbers(IRIS_PROBABILITIES))
    assert values["label"] == IRIS_LABELS


def test_classification_gives_the_best_classes(server):
    outputs = [{"name": "probabilities", "parameters": {"classification": 2}}]
    values, answer = values_of(server.post("/v2/models/iris/infer", iris(outputs=outputs)))
    assert answer["outputs"][0]["datatype"] == "BYTES"
    assert answer["outputs"][0]["shape"] == [len(IRIS), 2]
    best = [text.split(":") for text in values["probabilities"][::2]]
    assert [int(index) for _, index, _ in best] == IRIS_LABELS
    assert [label for _, _, label in best] == [
        ["setosa", "versicolor", "virginica"][i] for i in IRIS_LABELS
    ]
    assert_close([float(value) for value, _, _ in best], [max(p) for p in IRIS_PROBABILITIES], 1e-5)


def test_a_requests_id_comes_back(server):
    _, answer = values_of(server.post("/v2/models/iris/infer", iris(id="mine-1")))
    assert answer["id"] == "mine-1"


def test_a_body_may_name_no_media_type(server):
    """Triton's Python client names none."""
    body = json.dumps(iris()).encode()
    with wire.Wire(server.address) as connection:
        connection.send(wire.post("/v2/models/iris/infer", body, kind=None))
        assert connection.response().status == 200
        connection.send(wire.post("/v2/models/iris/infer", body, kind="text/plain"))
        wire.assert_error(connection.response(), 415, "UNSUPPORTED_MEDIA_TYPE", [RAW])


def test_bodies_and_json_answers_may_be_compressed(server):
    text, tail = binary_body(server, "iris", {"features": IRIS})
    size = len(json.dumps(text))
    response = server.post(
        "/v2/models/iris/infer",
        data=gzip.compress(json.dumps(text).encode() + tail),
        headers={"Content-Type": RAW, "Content-Encoding": "gzip", JSON_BYTES: str(size)},
    )
    assert_as_known("iris", response)
    known = KNOWN["digits"]["inputs"]
    body = json_body(server, "digits", {name: rows * 20 for name, rows in known.items()})
    response = server.post("/v2/models/digits/infer", body, headers={"Accept-Encoding": "gzip"})
    assert response.headers["Content-Encoding"] == "gzip"
    values, _ = values_of(response)
    assert len(values["probabilities"]) == 20 * 10 * len(known["image"])


def test_the_sooner_of_header_and_body_is_the_deadline(server):
    body = {"inputs": [tensor("x", "FP32", [[1.5]])]}
    soon, late = {"timeout": 1}, {"timeout": 60_000_000}  # microseconds
    for parameters, header in ((soon, None), (soon, "60000"), (late, "0")):
        headers = {"X-Request-Timeout-Ms": header} if header else {}
        response = server.post(
            "/v2/models/slow/infer", body | {"parameters": parameters}, headers=headers
        )
        assert_is_error(response, 504, None)
    headers = {"X-Request-Timeout-Ms": "60000"}
    response = server.post("/v2/models/slow/infer", body | {"parameters": late}, headers=headers)
    assert response.status_code == 200, response.text


def test_what_belongs_to_other_servers_is_said_to_be_unsupported(server):
    response = server.post("/v2/models/iris/infer", iris(parameters={"sequence_id": 5}))
    assert_is_error(response, 501, "SEQUENCES_UNSUPPORTED")
    shared = {"name": "features", "datatype": "FP32", "shape": [1, 4]}
    shared["parameters"] = {"shared_memory_region": "a", "shared_memory_byte_size": 16}
    response = server.post("/v2/models/iris/infer", {"inputs": [shared]})
    assert_is_error(response, 501, "SHARED_MEMORY_UNSUPPORTED")


# What is wrong


def test_a_row_that_fails_fails_its_request_and_no_other(server):
    rows = [[1.0, 2.0, 3.0], [-999.0, 0.0, 0.0]]
    body = json_body(server, "fails_on_marked_row", {"x": rows})
    response = server.post("/v2/models/fails_on_marked_row/infer", body)
    assert_is_error(response, 422, "INPUT_REJECTED_BY_MODEL")
    body = json_body(server, "fails_on_marked_row", {"x": rows[:1]})
    values, _ = values_of(server.post("/v2/models/fails_on_marked_row/infer", body))
    assert values["y"] == [2, 4, 6]


def test_an_unknown_model_or_version_is_404(server):
    assert_is_error(server.post("/v2/models/irs/infer", iris()), 404, "MODEL_NOT_FOUND", "iris")
    for path in ("", "/ready", "/stats"):
        assert_is_error(server.get(f"/v2/models/irs{path}"), 404, "MODEL_NOT_FOUND", "iris")
        response = server.get(f"/v2/models/iris/versions/9{path}")
        assert_is_error(response, 404, "VERSION_NOT_FOUND", "9")
    response = server.post("/v2/models/iris/versions/9/infer", iris())
    assert_is_error(response, 404, "VERSION_NOT_FOUND", "9")


def test_what_cannot_be_served_is_refused_before_its_body_comes(server):
    for path, header, status in (
        ("/v2/models/nobody/infer", "X-Any: 1", 404),
        ("/v2/models/iris/infer", f"{JSON_BYTES}: -1", 400),
        ("/v2/models/iris/infer", "X-Request-Timeout-Ms: soon", 400),
    ):
        with wire.Wire(server.address) as connection:
            head = (
                f"POST {path} HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n"
                f"Content-Type: {RAW}\r\nContent-Length: 60000000\r\n{header}\r\n\r\n"
            )
            connection.send(head.encode())
            wire.assert_error(connection.response(), status)


# What there is


def test_the_server_says_what_it_is_and_what_it_can(server):
    body = server.get("/v2").json()
    assert body["name"] == "muster"
    assert body["version"] == server.get("/", headers={"Accept": "*/*"}).json()["version"]
    assert {"binary_tensor_data", "classification", "statistics"} <= set(body["extensions"])


def test_a_model_says_what_it_takes_and_gives(server):
    for path in ("/v2/models/typed_inputs", "/v2/models/typed_inputs/versions/1"):
        body = server.get(path).json()
        assert body["name"] == "typed_inputs"
        assert body["versions"] == ["1"]
        assert isinstance(body["platform"], str) and body["platform"]
        assert body["inputs"] == [
            {"name": "i64", "datatype": "INT64", "shape": [-1, 2]},
            {"name": "u8", "datatype": "UINT8", "shape": [-1, 2]},
            {"name": "flag", "datatype": "BOOL", "shape": [-1, 1]},
            {"name": "d", "datatype": "FP64", "shape": [-1, 1]},
        ]
        outputs = {each["name"]: each["datatype"] for each in body["outputs"]}
        assert outputs == {
            "i64_out": "INT64",
            "u8_out": "UINT8",
            "flag_out": "BOOL",
            "d_out": "FP64",
        }


def test_a_running_server_and_its_models_are_ready(server):
    for path in (
        "/v2/health/live",
        "/v2/health/ready",
        "/v2/models/iris/ready",
        "/v2/models/iris/versions/1/ready",
    ):
        response = server.get(path)
        assert (response.status_code, response.json()) == (200, {}), path


@pytest.fixture(scope="module")
def partly_broken(tmp_path_factory):
    """A server with a good model, and one whose file is cut in two."""
    repository = tmp_path_factory.mktemp("repository")
    copy_model(EXAMPLES / "iris", repository)
    file = copy_model(EXAMPLES / "example", repository, "broken") / "1" / "model.onnx"
    file.write_bytes(file.read_bytes()[:200])
    with Server(repository) as running:
        wait_until(lambda: running.get("/v2/health/ready").status_code == 200, "it is ready")
        yield running


def test_a_model_that_is_known_but_not_loaded_is_503(partly_broken):
    for path in ("/v2/models/broken", "/v2/models/broken/ready", "/v2/models/broken/stats"):
        assert_is_error(partly_broken.get(path), 503, "MODEL_NOT_READY", "broken")
    response = partly_broken.post("/v2/models/broken/infer", iris())
    assert_is_error(response, 503, "MODEL_NOT_READY", "broken")


def test_the_index_has_all_versions_with_their_state(partly_broken):
    # As Triton's Python client asks: POST without a body.
    response = requests.post(partly_broken.url + "/v2/repository/index", timeout=PATIENCE)
    broken, good = response.json()
    assert good == {"name": "iris", "version": "1", "state": "READY", "reason": ""}
    assert (broken["name"], broken["state"]) == ("broken", "UNAVAILABLE")
    assert broken["reason"]
    assert partly_broken.answer("/v2/repository/index", {"ready": True}) == [good]
    assert partly_broken.answer("/v2/repository/index", {"ready": False}) == [broken, good]


@pytest.mark.parametrize("body", [{"ready": 1}, {"ready": "true"}, {"ready": [True]}])
def test_the_index_is_asked_for_by_a_boolean(partly_broken, body):
    response = partly_broken.post("/v2/repository/index", body)
    assert_is_error(response, 400, "FIELD", "ready")


def test_statistics_count_what_was_done():
    with Server(EXAMPLES / "iris", MODELS / "fails_on_marked_row") as fresh:
        for _ in range(3):
            values_of(fresh.post("/v2/models/iris/infer", iris()))
        body = json_body(fresh, "fails_on_marked_row", {"x": [[-999.0, 0.0, 0.0]]})
        assert fresh.post("/v2/models/fails_on_marked_row/infer", body).status_code == 422
        every = fresh.get("/v2/models/stats").json()["model_stats"]
        assert [each["name"] for each in every] == ["fails_on_marked_row", "iris"]
        failed, stats = every
        assert fresh.get("/v2/models/iris/stats").json()["model_stats"] == [stats]
        assert fresh.get("/v2/models/iris/versions/1/stats").json()["model_stats"] == [stats]
        assert stats["version"] == "1"
        assert stats["inference_count"] == 3 * len(IRIS)
        assert stats["execution_count"] == 3
        times = stats["inference_stats"]
        assert times["success"]["count"] == 3 and times["fail"]["count"] == 0
        assert times["queue"]["count"] == 3
        assert times["compute_infer"]["count"] == 3
        assert 0 < times["compute_infer"]["ns"] <= times["success"]["ns"]
        assert failed["inference_stats"]["success"]["count"] == 0
        assert failed["inference_stats"]["fail"]["count"] == 1
        assert failed["inference_count"] == 0
