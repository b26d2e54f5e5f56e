"""The two example routes: what they answer, and that a model really answers."""

import shutil

import numpy
import onnxruntime
import pytest

from support import (
    EXAMPLES,
    MODELS,
    Server,
    assert_close,
    assert_is_error,
    assert_is_now,
    copy_model,
    expected,
    is_number,
)

FIVE = [1.0, 2.0, 3.0, 4.0, 5.0]


def run_by_onnxruntime(folder, values):
    """What the model file says to `values`, without any server."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        (folder / "1" / "model.onnx").read_bytes(), options, providers=["CPUExecutionProvider"]
    )
    rows = numpy.array(values, dtype=numpy.float32).reshape(-1, 1)
    (probabilities,) = session.run(None, {session.get_inputs()[0].name: rows})
    return [[float(p) for p in row] for row in probabilities]


@pytest.fixture(scope="module")
def server():
    with Server(EXAMPLES) as running:
        yield running


@pytest.fixture(scope="module", params=["{}", "no body"])
def batch(server, request):
    return server.answer("/examples/batch", {} if request.param == "{}" else None)


def test_the_batch_example_says_what_it_is(batch):
    assert sorted(batch) == ["example", "input_count", "response"]
    assert batch["example"] == "batch_prediction"
    assert batch["input_count"] == 5


def test_the_batch_example_answers_what_onnxruntime_answers(batch):
    wanted = run_by_onnxruntime(EXAMPLES / "example", FIVE)
    assert_close(batch["response"]["predictions"], wanted, 1e-6)
    assert_close(wanted, expected()["example"]["outputs"]["probabilities"], 1e-6)


def test_the_probabilities_of_each_batch_example_sum_to_one(batch):
    for row in batch["response"]["predictions"]:
        assert len(row) == 3
        assert all(0 <= p <= 1 for p in row)
        assert sum(row) == pytest.approx(1, abs=1e-6)


def test_the_batch_example_names_model_time_and_request(batch):
    response = batch["response"]
    assert response["success"] is True
    assert response["model_name"] == "example"
    assert is_number(response["inference_time_ms"]) and response["inference_time_ms"] > 0
    assert_is_now(response["timestamp"])
    assert isinstance(response["request_id"], str) and response["request_id"]
    assert response["warnings"] == []


def test_the_batch_example_counts_its_predictions(batch):
    info = batch["response"]["batch_info"]
    assert info["batch_size"] == 5
    assert info["successful_predictions"] == 5
    assert info["failed_predictions"] == 0
    assert info["failed_indices"] == []
    assert info["failure_reasons"] == []


def test_the_batch_examples_times_are_parts_of_its_total(batch):
    times = batch["response"]["batch_info"]["processing_time"]
    for name in ("preprocessing_ms", "inference_ms", "postprocessing_ms"):
        assert is_number(times[name]), times
    assert all(ms >= 0 for ms in times.values()), times
    assert times["inference_ms"] > 0
    assert sum(times.values()) == pytest.approx(batch["response"]["inference_time_ms"], abs=1e-6)


def test_the_batch_examples_metadata_describes_model_and_shapes(batch):
    metadata = batch["response"]["metadata"]
    assert isinstance(metadata["framework_version"], str) and metadata["framework_version"]
    assert metadata["model_version"] == "1"
    assert metadata["batch_processing"] is True
    assert metadata["input_shape"] == [5, 1]
    assert metadata["output_shape"] == [5, 3]


def test_each_of_the_five_has_its_share_of_the_inference_time(batch):
    response = batch["response"]
    shares = response["metadata"]["individual_inference_times"]
    assert len(shares) == 5
    assert all(is_number(ms) and ms > 0 for ms in shares), shares
    assert sum(shares) <= response["batch_info"]["processing_time"]["inference_ms"] + 1e-6


def test_every_request_has_an_id_of_its_own(server):
    ids = {server.answer("/examples/batch", {})["response"]["request_id"] for _ in range(20)}
    assert len(ids) == 20


def test_the_batch_example_refuses_a_body_that_is_no_object(server):
    assert_is_error(server.post("/examples/batch", [1, 2]), 400, "TYPE")
    response = server.post(
        "/examples/batch", data="{", headers={"Content-Type": "application/json"}
    )
    assert_is_error(response, 400, "JSON")


def test_answers_change_when_the_model_file_is_replaced(tmp_path):
    served = copy_model(EXAMPLES / "example", tmp_path)
    with Server(tmp_path) as server:
        before = server.answer("/examples/batch")["response"]["predictions"]
    shutil.copy(MODELS / "replaced_example" / "1" / "model.onnx", served / "1" / "model.onnx")
    with Server(tmp_path) as server:
        after = server.answer("/examples/batch")["response"]["predictions"]
    known = expected()
    assert_close(before, known["example"]["outputs"]["probabilities"])
    assert_close(after, known["replaced_example"]["outputs"]["probabilities"])
    assert_close(after, run_by_onnxruntime(served, FIVE))


@pytest.mark.parametrize("body", [{}, None])
def test_the_simple_example_predicts_42_unless_told_otherwise(server, body):
    answer = server.answer("/examples/simple", body)
    assert sorted(answer) == ["example", "input", "response"]
    assert answer["example"] == "simple_prediction"
    assert answer["input"] == 42
    assert_close(
        answer["response"]["result"], run_by_onnxruntime(EXAMPLES / "example", [42.0])[0], 1e-6
    )


def test_the_simple_example_predicts_the_input_it_is_given(server):
    answer = server.answer("/examples/simple", {"input": 3.5})
    assert answer["input"] == 3.5
    response = answer["response"]
    assert_close(response["result"], run_by_onnxruntime(EXAMPLES / "example", [3.5])[0], 1e-6)
    assert response["success"] is True
    assert response["error"] is None
    assert response["model_name"] == "example"
    assert response["model_version"] == "1"
    assert_is_now(response["timestamp"])
    times = response["metadata"]["processing_time"]
    assert sorted(times) == ["inference_ms", "postprocessing_ms", "preprocessing_ms", "queue_ms"]
    assert sum(times.values()) == pytest.approx(response["inference_time_ms"], abs=1e-6)
    assert response["processing_time"] == pytest.approx(response["inference_time_ms"] / 1e3)
    assert response["metadata"]["input_shape"] == [1, 1]
    assert response["metadata"]["output_shape"] == [1, 3]


@pytest.mark.parametrize("value", ["text", [1, 2], None, True, {"petal_width": 1}])
def test_the_simple_example_refuses_an_input_the_model_does_not_take(server, value):
    response = server.post("/examples/simple", {"input": value})
    assert response.status_code == 400, response.text
    assert "input" in response.json()["detail"]


@pytest.mark.parametrize("path", ["/examples/batch", "/examples/simple"])
def test_without_a_model_called_example_the_examples_say_so(path):
    with Server(EXAMPLES / "iris") as server:
        assert_is_error(server.post(path, {}), 404, "MODEL_NOT_FOUND", "example")
