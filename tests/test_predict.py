"""Predictions over HTTP: every dialect, every kind of model, and HTTP itself."""

import gzip
import json
import zlib

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
    assert_is_now,
    copy_model,
    expected,
    flat,
    gzipped,
    is_number,
    row_answers,
    row_inputs,
    wait_until,
)

KNOWN = expected()
IRIS = KNOWN["iris"]["inputs"]["features"]
IRIS_LABELS = KNOWN["iris"]["outputs"]["label"]
IRIS_PROBABILITIES = KNOWN["iris"]["outputs"]["probabilities"]
SPECIES = ["setosa", "versicolor", "virginica"]
MARKED = [-999.0, 0.0, 0.0]
TIMES = ["inference_ms", "postprocessing_ms", "preprocessing_ms", "queue_ms"]


@pytest.fixture(scope="module")
def server():
    with Server(EXAMPLES, MODELS) as running:
        yield running


# Every model


SERVED_AS_EXPECTED = sorted(KNOWN.keys() - {"wrong_rows", "nan_output"})


@pytest.mark.parametrize("model", SERVED_AS_EXPECTED)
def test_each_row_alone_is_answered_as_onnxruntime_does(server, model):
    inputs = row_inputs(KNOWN[model])
    # Rows of fixed_batch cannot be run alone without the server's help.
    wanted = row_answers(KNOWN[model], alone="outputs_single" in KNOWN[model])
    for row, answer in zip(inputs, wanted, strict=True):
        assert_close(server.answer(f"/predict/{model}", {"inputs": row})["result"], answer)


@pytest.mark.parametrize("model", SERVED_AS_EXPECTED)
def test_all_rows_together_are_answered_as_onnxruntime_does(server, model):
    inputs = row_inputs(KNOWN[model])
    answer = server.answer(f"/predict/{model}/batch", {"inputs": inputs})
    # This model's rows change each other's answers, so muster runs them one at a time.
    wanted = row_answers(KNOWN[model], alone=model == "mixes_rows")
    assert_close(answer["predictions"], wanted)
    assert answer["batch_info"]["batch_size"] == len(inputs)
    assert answer["batch_info"]["successful_predictions"] == len(inputs)
    assert answer["warnings"] == []


@pytest.mark.parametrize("count", [1, 3, 4, 5, 9])
def test_a_model_of_four_rows_a_run_answers_any_number(server, count):
    rows = [[float(i), -2.0, 0.5 * i] for i in range(count)]
    answer = server.answer("/predict/fixed_batch/batch", {"inputs": rows})
    assert_close(answer["predictions"], [[2 * v for v in row] for row in rows])


def test_a_model_of_one_row_a_run_answers_any_number(server):
    rows = [[float(i), -2.0, 0.5 * i] for i in range(5)]
    answer = server.answer("/predict/fixed_one/batch", {"inputs": rows})
    assert_close(answer["predictions"], [[2 * v for v in row] for row in rows])


def test_whole_numbers_of_64_bits_pass_unharmed(server):
    row = row_inputs(KNOWN["typed_inputs"])[0] | {"i64": [9007199254740993, -(2**63)]}
    result = server.answer("/predict/typed_inputs", {"inputs": row})["result"]
    assert result["i64_out"] == [9007199254740993, -(2**63)]


@pytest.mark.parametrize("text", ["żółty", "", 'a"b\\c\n\t\u0001', "😀" * 50, "\u2028</script>"])
def test_any_text_passes_unharmed(server, text):
    result = server.answer("/predict/string_input", {"inputs": text})["result"]
    assert flat([result["echo"]]) == [text]
    assert flat([result["code"]]) == [3 if text == "żółty" else -1]


def test_what_is_not_finite_is_null_and_said_to_be(server):
    rows = KNOWN["nan_output"]["inputs"]["x"]
    answer = server.answer("/predict/nan_output/batch", {"inputs": rows})
    assert flat(row["log"] for row in answer["predictions"]) == [0, None, None]
    assert flat(row["y"] for row in answer["predictions"]) == [1, 0, -1]
    assert answer["metadata"]["nonfinite"] is True
    assert answer["batch_info"]["successful_predictions"] == 3
    single = server.answer("/predict/nan_output", {"inputs": 0})
    assert flat([single["result"]["log"]]) == [None]
    assert single["metadata"]["nonfinite"] is True
    finite = server.answer("/predict/nan_output", {"inputs": 1})
    assert finite["metadata"].get("nonfinite", False) is False


@pytest.mark.parametrize("model", ["zipmap", "zipmap_strings"])
def test_zipmaps_are_probabilities_in_the_order_of_their_labels(server, model):
    known = KNOWN[model]
    keys = list(known["outputs"]["output_probability"][0])
    assert server.model(model)["labels"] == keys
    for i, row in enumerate(row_inputs(known)):
        answer = server.answer(f"/predict/{model}", {"features": row})
        label = known["outputs"]["output_label"][i]
        probabilities = list(known["outputs_single"]["output_probability"][i].values())
        assert answer["prediction"] == label
        assert answer["label"] == str(label)
        assert_close(answer["probabilities"], probabilities)
        assert_close(answer["confidence"], max(probabilities))


def test_a_picture_may_come_nested_or_flat(server):
    known = KNOWN["digits"]
    for i, picture in enumerate(known["inputs"]["image"]):
        numbers = [value for row in picture[0] for value in row]
        wanted = known["outputs_single"]["probabilities"][i]
        for row in (picture, numbers):
            assert_close(server.answer("/predict/digits", {"inputs": row})["result"], wanted)
            answer = server.answer("/predict/digits", {"features": row})
            assert_close(answer["probabilities"], wanted)
            assert answer["label"] == str(wanted.index(max(wanted)))


# Dialect `inputs`


def test_a_single_answer_has_all_its_fields(server):
    answer = server.answer("/predict/iris", {"inputs": IRIS[4]})
    assert answer["success"] is True
    assert answer["error"] is None
    assert answer["model_name"] == "iris"
    assert answer["model_version"] == "1"
    assert answer["label"] == "virginica"
    assert_close(answer["result"], {"label": 2, "probabilities": IRIS_PROBABILITIES[4]})
    assert_is_now(answer["timestamp"])
    assert answer["request_id"].startswith("req_")
    assert answer["inference_time_ms"] > 0
    assert answer["processing_time"] == pytest.approx(answer["inference_time_ms"] / 1e3)
    metadata = answer["metadata"]
    assert metadata["framework_version"] == server.get("/").json()["version"]
    assert metadata["model_version"] == "1"
    assert metadata["input_shape"] == [1, 4]
    assert metadata["batch_size"] == 1
    times = metadata["processing_time"]
    assert sorted(times) == TIMES
    assert all(is_number(ms) and ms >= 0 for ms in times.values())
    assert sum(times.values()) == pytest.approx(answer["inference_time_ms"], abs=1e-6)


def test_a_batch_answer_has_all_its_fields(server):
    answer = server.answer("/predict/iris/batch", {"inputs": IRIS})
    assert answer["success"] is True
    assert answer["model_name"] == "iris"
    assert [p["label"] for p in answer["predictions"]] == IRIS_LABELS
    assert_close([p["probabilities"] for p in answer["predictions"]], IRIS_PROBABILITIES)
    assert answer["labels"] == [SPECIES[i] for i in IRIS_LABELS]
    assert_is_now(answer["timestamp"])
    info = answer["batch_info"]
    assert (info["batch_size"], info["successful_predictions"]) == (5, 5)
    assert (info["failed_predictions"], info["failed_indices"]) == (0, [])
    assert sorted(info["processing_time"]) == TIMES
    assert sum(info["processing_time"].values()) == pytest.approx(
        answer["inference_time_ms"], abs=1e-6
    )
    metadata = answer["metadata"]
    assert metadata["batch_processing"] is True
    assert metadata["input_shape"] == [5, 4]
    assert len(metadata["individual_inference_times"]) == 5
    assert sum(metadata["individual_inference_times"]) <= (
        info["processing_time"]["inference_ms"] + 1e-6
    )


def test_named_inputs_may_come_in_any_order(server):
    for row in ({"age": 30, "income": [100, 50]}, {"income": [100, 50], "age": [30]}):
        result = server.answer("/predict/two_inputs", {"inputs": row})["result"]
        assert flat([result]) == [52.5]


def test_the_only_input_may_be_named_too(server):
    answer = server.answer("/predict/iris", {"inputs": {"features": IRIS[4]}})
    assert answer["result"]["label"] == 2


@pytest.mark.parametrize(
    ("model", "row", "code", "words"),
    [
        ("two_inputs", {"age": 1}, "MISSING_INPUT", ["income"]),
        ("two_inputs", {"age": 1, "income": [1, 2], "rent": 3}, "UNKNOWN_INPUT", ["rent"]),
        ("two_inputs", {"age": 1, "income": [1, 2, 3]}, "SHAPE", ["income", "2", "3"]),
        ("iris", [1, 2, 3], "SHAPE", ["inputs", "4", "3"]),
        ("iris", [1, 2, 3, "x"], "TYPE", ["inputs"]),
        ("iris", [1, 2, 3, True], "TYPE", ["inputs"]),
        ("iris", [1, 2, 3, None], "TYPE", ["inputs"]),
        ("iris", [[1, 2], [3]], "TYPE", ["inputs"]),
        ("iris", "text", "TYPE", ["inputs"]),
        ("iris", [1, 2, 3, 1e39], "OUT_OF_RANGE", ["inputs"]),
        (
            "typed_inputs",
            {"i64": [1, 2], "u8": [0, 256], "flag": True, "d": 0},
            "OUT_OF_RANGE",
            ["u8", "256"],
        ),
        ("typed_inputs", {"i64": [1.5, 2], "u8": [0, 1], "flag": True, "d": 0}, "TYPE", ["i64"]),
        ("typed_inputs", {"i64": [1, 2], "u8": [0, 1], "flag": 1, "d": 0}, "TYPE", ["flag"]),
        ("string_input", 5, "TYPE", ["inputs", "5"]),
    ],
)
def test_a_row_that_does_not_fit_is_refused_by_name(server, model, row, code, words):
    assert_is_error(server.post(f"/predict/{model}", {"inputs": row}), 400, code, *words)


# Dialect `features`


def test_features_are_answered_with_prediction_and_confidence(server):
    for i, row in enumerate(IRIS):
        answer = server.answer("/predict", {"features": row, "model_id": "iris"})
        assert answer["prediction"] == IRIS_LABELS[i]
        assert answer["label"] == SPECIES[IRIS_LABELS[i]]
        assert_close(answer["probabilities"], IRIS_PROBABILITIES[i], 1e-6)
        assert_close(answer["confidence"], max(IRIS_PROBABILITIES[i]), 1e-6)
        assert answer["latency_ms"] > 0
        assert isinstance(answer["cold_start"], bool)
        assert (answer["model_id"], answer["model_version"]) == ("iris", "1")


def test_where_a_model_gives_no_probabilities_the_confidence_is_null(server):
    answer = server.answer("/predict/two_inputs", {"features": {"age": 30, "income": [100, 50]}})
    assert flat([answer["prediction"]]) == [52.5]
    assert answer["confidence"] is None
    assert "probabilities" not in answer


def test_where_a_model_gives_only_probabilities_the_prediction_is_the_likeliest(server):
    for i, value in enumerate(flat(KNOWN["example"]["inputs"]["petal_length"])):
        answer = server.answer("/predict/example", {"features": [value]})
        probabilities = KNOWN["example"]["outputs_single"]["probabilities"][i]
        likeliest = probabilities.index(max(probabilities))
        assert answer["prediction"] == likeliest
        assert answer["label"] == SPECIES[likeliest]
        assert_close(answer["confidence"], max(probabilities))


def test_only_the_first_prediction_of_a_version_is_a_cold_start():
    with Server(EXAMPLES / "iris") as server:
        starts = [server.answer("/predict", {"features": IRIS[0]})["cold_start"] for _ in range(3)]
        assert starts == [True, False, False]


def test_features_may_have_names_where_the_model_does(tmp_path):
    names = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
    config = f"feature_names: [{', '.join(names)}]\n"
    copy_model(EXAMPLES / "iris", tmp_path, config=config)
    with Server(tmp_path) as server:
        for i, row in enumerate(IRIS):
            named = dict(reversed(list(zip(names, row, strict=True))))
            assert server.answer("/predict", {"features": named})["prediction"] == IRIS_LABELS[i]
        lacking = {name: 1.0 for name in names[:3]}
        error = server.post("/predict", {"features": lacking})
        assert_is_error(error, 400, "MISSING_INPUT", "petal_width")
        error = server.post("/predict", {"features": dict.fromkeys(names, 1.0) | {"petl": 1}})
        assert_is_error(error, 400, "UNKNOWN_INPUT", "petl")


# Dialect `instances`


def test_instances_are_answered_in_order_with_counts(server):
    body = {"instances": [IRIS[0], {"features": IRIS[2]}, {"features": IRIS[4]}]}
    answer = server.answer("/predict/iris/batch", body)
    assert (answer["success_count"], answer["error_count"]) == (3, 0)
    assert answer["total_latency_ms"] > 0
    assert [p["prediction"] for p in answer["predictions"]] == [0, 1, 2]
    assert [p["label"] for p in answer["predictions"]] == SPECIES
    for i, p in zip((0, 2, 4), answer["predictions"], strict=True):
        assert_close(p["probabilities"], IRIS_PROBABILITIES[i], 1e-6)
        assert_close(p["confidence"], max(IRIS_PROBABILITIES[i]), 1e-6)
        assert p["latency_ms"] > 0
        assert isinstance(p["cold_start"], bool)
        assert p.get("error") is None


def test_instances_may_go_to_different_models(server):
    body = {
        "instances": [
            {"features": IRIS[4], "model_id": "iris"},
            {"features": [1.0], "model_id": "example"},
            {"features": IRIS[0], "model_id": "iris"},
            {"features": {"age": 30, "income": [100, 50]}, "model_id": "two_inputs"},
        ]
    }
    for path in ("/predict", "/predict/batch"):
        answer = server.answer(path, body)
        predictions = [p["prediction"] for p in answer["predictions"]]
        assert flat(predictions) == [2, 0, 0, 52.5]
        assert answer["success_count"] == 4


def test_an_instance_that_fails_keeps_its_place_and_says_why(server):
    body = {
        "instances": [
            {"features": IRIS[4], "model_id": "iris"},
            {"features": [1.0, 2.0], "model_id": "iris"},
            {"features": [1.0], "model_id": "nosuch"},
            {"features": MARKED, "model_id": "fails_on_marked_row"},
            {"features": [1.0, 2.0, 3.0], "model_id": "fails_on_marked_row"},
        ]
    }
    answer = server.answer("/predict/batch", body)
    assert (answer["success_count"], answer["error_count"]) == (2, 3)
    good, short, unknown, marked, other = answer["predictions"]
    assert good["prediction"] == 2
    assert_close(other["prediction"], [2.0, 4.0, 6.0])
    for failed, word in ((short, "features"), (unknown, "nosuch"), (marked, "")):
        assert failed["prediction"] is None
        assert failed["error"]
        assert word in failed["error"]


@pytest.mark.parametrize("workers", [1, 2, 100])
def test_instances_may_ask_for_less_parallelism(server, workers):
    body = {"instances": IRIS, "max_parallelism": workers}
    answer = server.answer("/predict/iris", body)
    assert [p["prediction"] for p in answer["predictions"]] == IRIS_LABELS


def test_instances_with_a_parallelism_of_one_are_run_one_after_the_other(tmp_path):
    config = "instances: 2\nmax_batch_size: 1\nmax_queue_rows: 100\n"
    copy_model(MODELS / "slow", tmp_path, config=config)
    body = {"instances": [[float(i)] for i in range(8)], "max_parallelism": 1}
    with Server(tmp_path, args=["--cores", "2"]) as server, server.connect() as connection:
        connection.send(wire.post("/predict", body))
        running = set()

        def all_are_done():
            shown = server.model("slow")
            running.add(shown["batching"]["running"])
            return shown["stats"]["rows_succeeded"] == 8

        wait_until(all_are_done, "eight answers")
        predictions = connection.response().json()["predictions"]
        assert flat(p["prediction"] for p in predictions) == [float(i) for i in range(8)]
        assert max(running) == 1


@pytest.mark.parametrize("workers", [0, -1, 1.5, "2"])
def test_a_parallelism_that_is_none_is_refused(server, workers):
    response = server.post("/predict/iris", {"instances": IRIS, "max_parallelism": workers})
    assert response.status_code == 400
    assert "max_parallelism" in response.json()["detail"]


# Batches of which a part fails


def test_a_row_the_model_refuses_is_null_and_the_others_are_right(server):
    rows = [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], MARKED, [7.0, 8.0, 9.0], [0.5, 0.25, 0.125]]
    answer = server.answer("/predict/fails_on_marked_row/batch", {"inputs": rows})
    wanted = [None if row is MARKED else [2 * v for v in row] for row in rows]
    assert_close(answer["predictions"], wanted)
    assert answer["success"] is True
    info = answer["batch_info"]
    assert (info["batch_size"], info["successful_predictions"]) == (5, 4)
    assert (info["failed_predictions"], info["failed_indices"]) == (1, [2])
    assert len(info["failure_reasons"]) == 1
    assert info["failure_reasons"][0]
    assert len(answer["warnings"]) == 1
    assert len(answer["metadata"]["individual_inference_times"]) == 5


def test_rows_that_do_not_fit_are_null_with_their_reasons(server):
    rows = [[1.0, 2.0, 3.0], [1.0], [4.0, 5.0, 6.0], "text", [0.0, True, 0.0], MARKED]
    answer = server.answer("/predict/fails_on_marked_row/batch", {"inputs": rows})
    wanted = [[2.0, 4.0, 6.0], None, [8.0, 10.0, 12.0], None, None, None]
    assert_close(answer["predictions"], wanted)
    info = answer["batch_info"]
    assert info["failed_indices"] == [1, 3, 4, 5]
    assert (info["successful_predictions"], info["failed_predictions"]) == (2, 4)
    assert len(info["failure_reasons"]) == 4
    for index, reason in zip(info["failed_indices"], info["failure_reasons"], strict=True):
        assert str(index) in reason
    assert "3" in info["failure_reasons"][0]
    assert len(answer["warnings"]) == 1


def test_every_failing_input_known_fails_and_only_its_marked_rows(server):
    for inputs in KNOWN["fails_on_marked_row"]["failing_inputs"]:
        answer = server.answer("/predict/fails_on_marked_row/batch", {"inputs": inputs["x"]})
        marked = [i for i, row in enumerate(inputs["x"]) if row[0] == -999]
        assert answer["batch_info"]["failed_indices"] == marked
        for i, row in enumerate(inputs["x"]):
            wanted = None if i in marked else [2 * v for v in row]
            assert_close(answer["predictions"][i], wanted)


def test_a_single_row_that_the_model_refuses_is_422(server):
    response = server.post("/predict/fails_on_marked_row", {"inputs": MARKED})
    assert_is_error(response, 422, "INPUT_REJECTED_BY_MODEL")


def test_a_batch_of_which_every_row_fails_is_no_success(server):
    answer = server.answer("/predict/fails_on_marked_row/batch", {"inputs": [MARKED, [1.0]]})
    assert answer["success"] is False
    assert answer["predictions"] == [None, None]
    assert answer["batch_info"]["failed_indices"] == [0, 1]


@pytest.mark.parametrize("key", ["inputs", "instances"])
def test_an_empty_batch_is_refused(server, key):
    assert_is_error(server.post("/predict/iris/batch", {key: []}), 400, "EMPTY_BATCH")


@pytest.mark.parametrize(
    "body", [{}, {"input": 1}, {"inputs": 1, "features": [1]}, {"features": [1], "instances": [1]}]
)
def test_exactly_one_dialect_must_be_spoken(server, body):
    error = assert_is_error(server.post("/predict/example", body), 400, "FIELD")
    assert any(key in error["detail"] for key in ("inputs", "features", "instances"))


# Fields that all dialects have


@pytest.mark.parametrize("number", [1, 2, 3, 50])
def test_top_k_gives_so_many_classes_by_falling_probability(server, number):
    answer = server.answer(
        "/predict/digits", {"features": KNOWN["digits"]["inputs"]["image"][1], "top_k": number}
    )
    probabilities = KNOWN["digits"]["outputs_single"]["probabilities"][1]
    order = sorted(range(10), key=lambda i: -probabilities[i])[:number]
    assert [entry["class_id"] for entry in answer["classes"]] == order
    assert [entry["label"] for entry in answer["classes"]] == [str(i) for i in order]
    confidences = [probabilities[i] for i in order]
    assert_close([entry["confidence"] for entry in answer["classes"]], confidences)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("priority", "high"),
        ("priority", 1.5),
        ("timeout", 0),
        ("timeout", -1),
        ("timeout", "soon"),
        ("top_k", 0),
        ("top_k", "all"),
        ("id", 5),
        ("id", "x" * 129),
        ("model_id", 5),
        ("context", 5),
    ],
)
def test_a_common_field_of_the_wrong_kind_is_refused_by_name(server, field, value):
    response = server.post("/predict/iris", {"inputs": IRIS[0], field: value})
    assert response.status_code == 400, response.text
    assert field in response.json()["detail"]


def test_common_fields_are_taken(server):
    body = {
        "inputs": IRIS[0],
        "priority": 3,
        "timeout": 10,
        "id": "mine",
        "context": {"user_id": "u", "device": "phone"},
    }
    answer = server.answer("/predict/iris", body)
    assert answer["result"]["label"] == 0
    assert answer["request_id"] == "mine"


@pytest.fixture
def occupied(tmp_path):
    """A server whose only instance is busy for a while."""
    config = "instances: 1\nmax_batch_size: 1\nmax_queue_rows: 1000\n"
    copy_model(MODELS / "slow", tmp_path, config=config)
    with Server(tmp_path) as server, server.connect() as connection:
        # Before whatever comes later, deadline or not.
        connection.send(wire.post("/predict/batch", {"inputs": [1.0] * 20, "priority": 1}))
        wait_until(lambda: server.model("slow")["batching"]["running"] == 1, "a run")
        yield server
        assert connection.response().status == 200


@pytest.mark.parametrize(
    ("fields", "headers"),
    [
        ({"timeout": 0.02}, {}),
        ({}, {"X-Request-Timeout-Ms": "20"}),
        ({"timeout": 20}, {"X-Request-Timeout-Ms": "20"}),
        ({"timeout": 0.02}, {"X-Request-Timeout-Ms": "20000"}),
    ],
)
def test_a_request_whose_time_is_over_is_504_and_never_run(occupied, fields, headers):
    response = occupied.post("/predict", {"inputs": 2.0, **fields}, headers=headers)
    assert response.status_code == 504, response.text
    assert response.json()["detail"]
    stats = occupied.model("slow")["stats"]
    assert stats["expired_in_queue"] == 1
    assert stats["rows_failed"] == 0


def test_a_request_that_has_no_time_at_all_is_504_and_never_run(server):
    before = server.model("iris")
    headers = {"X-Request-Timeout-Ms": "0"}
    response = server.post("/predict/iris", {"inputs": IRIS[0]}, headers=headers)
    assert_is_error(response, 504, "EXPIRED")
    after = server.model("iris")
    assert after["stats"]["expired_in_queue"] == before["stats"]["expired_in_queue"] + 1
    assert after["batching"]["runs"] == before["batching"]["runs"]
    assert after["breaker"]["opened"] == 0


@pytest.mark.parametrize("text", ["soon", "-1", "1.5", "1e3", "99999999999999999999"])
def test_a_timeout_header_that_is_no_whole_number_is_refused(server, text):
    headers = {"X-Request-Timeout-Ms": text}
    response = server.post("/predict/iris", {"inputs": IRIS[0]}, headers=headers)
    assert_is_error(response, 400, "FIELD", "X-Request-Timeout-Ms")


# Which model, which version


@pytest.fixture(scope="module")
def versions(tmp_path_factory):
    """A model `petals` of two versions that answer differently, beside `iris`."""
    repository = tmp_path_factory.mktemp("versions")
    copy_model(EXAMPLES / "iris", repository)
    folder = copy_model(EXAMPLES / "example", repository, "petals")
    (folder / "2").mkdir()
    file = MODELS / "replaced_example" / "1" / "model.onnx"
    (folder / "2" / "model.onnx").write_bytes(file.read_bytes())
    with Server(repository) as running:
        yield running


FIRST = KNOWN["example"]["outputs_single"]["probabilities"][0]
SECOND = KNOWN["replaced_example"]["outputs_single"]["probabilities"][0]


@pytest.mark.parametrize(
    ("path", "fields", "version", "wanted"),
    [
        ("/predict/petals", {}, "2", SECOND),
        ("/predict/petals/versions/1", {}, "1", FIRST),
        ("/predict/petals/versions/2", {}, "2", SECOND),
        ("/predict/petals", {"version": "1"}, "1", FIRST),
        ("/predict", {"model_id": "petals"}, "2", SECOND),
        ("/predict", {"model_id": "petals", "version": "1"}, "1", FIRST),
    ],
)
def test_the_highest_version_answers_unless_another_is_named(
    versions, path, fields, version, wanted
):
    answer = versions.answer(path, {"inputs": 1.0, **fields})
    assert (answer["model_name"], answer["model_version"]) == ("petals", version)
    assert answer["metadata"]["model_version"] == version
    assert_close(answer["result"], wanted)


@pytest.mark.parametrize(("version", "wanted"), [("1", FIRST), ("2", SECOND)])
def test_a_batch_may_name_a_version(versions, version, wanted):
    answer = versions.answer(f"/predict/petals/versions/{version}/batch", {"inputs": [1.0, 1.0]})
    assert answer["metadata"]["model_version"] == version
    assert_close(answer["predictions"], [wanted, wanted])


def test_a_version_that_is_not_there_is_404(versions):
    for response in (
        versions.post("/predict/petals/versions/3", {"inputs": 1}),
        versions.post("/predict/petals", {"inputs": 1, "version": "3"}),
    ):
        assert_is_error(response, 404, "VERSION_NOT_FOUND", "petals", "3")


def test_both_versions_are_shown_with_counters_of_their_own(versions):
    before = {v["version"]: v["request_count"] for v in versions.model("petals")["versions"]}
    versions.answer("/predict/petals/versions/1", {"inputs": 1.0})
    shown = versions.model("petals")
    assert shown["version"] == "2"
    after = {v["version"]: v["request_count"] for v in shown["versions"]}
    assert after == {"1": before["1"] + 1, "2": before["2"]}


def test_a_broken_new_version_leaves_the_old_one_answering(tmp_path):
    folder = copy_model(EXAMPLES / "example", tmp_path)
    (folder / "2").mkdir()
    (folder / "2" / "model.onnx").write_bytes(b"no model")
    with Server(tmp_path) as server:
        assert server.answer("/predict/example", {"inputs": 1.0})["model_version"] == "1"
        response = server.post("/predict/example/versions/2", {"inputs": 1.0})
        assert_is_error(response, 503, "MODEL_NOT_READY")
        states = {v["version"]: v["state"] for v in server.model("example")["versions"]}
        assert states == {"1": "READY", "2": "FAILED"}
        assert server.get("/health").json()["status"] == "degraded"


def test_without_a_name_the_first_model_by_name_answers(versions):
    assert versions.answer("/predict", {"inputs": IRIS[0]})["model_name"] == "iris"


def test_without_a_name_the_only_model_answers():
    with Server(EXAMPLES / "iris") as server:
        assert server.answer("/predict", {"inputs": IRIS[0]})["model_name"] == "iris"


def test_without_a_name_the_configured_model_answers():
    with Server(EXAMPLES, args=["--default-model", "iris"]) as server:
        assert server.answer("/predict", {"inputs": IRIS[0]})["model_name"] == "iris"
        models = server.get("/models").json()["models"]
        assert [m["name"] for m in models if m["default"]] == ["iris"]


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/predict/irs", {}),
        ("/predict/irs/batch", {}),
        ("/predict/irs/versions/1", {}),
        ("/predict", {"model_id": "irs"}),
    ],
)
def test_an_unknown_model_is_404_and_the_nearest_name_is_proposed(server, path, fields):
    response = server.post(path, {"inputs": [IRIS[0]], **fields})
    assert_is_error(response, 404, "MODEL_NOT_FOUND", "irs", "iris")


def test_the_path_and_the_body_must_not_name_different_models(server):
    response = server.post("/predict/iris", {"inputs": IRIS[0], "model_id": "example"})
    assert_is_error(response, 400, "FIELD", "model_id")


# HTTP


def test_a_connection_carries_many_requests(server):
    with server.connect() as connection:
        for i in range(50):
            row = IRIS[i % 5]
            connection.send(wire.post("/predict/iris", {"inputs": row}))
            answer = connection.response()
            assert answer.status == 200
            assert answer.headers.get("connection", "keep-alive") == "keep-alive"
            assert answer.json()["result"]["label"] == IRIS_LABELS[i % 5]


@pytest.mark.parametrize(
    ("version", "header", "stays"),
    [("1.1", "close", False), ("1.0", None, False), ("1.0", "keep-alive", True)],
)
def test_a_connection_is_kept_as_the_client_asks(server, version, header, stays):
    lines = [f"GET /health/live HTTP/{version}", "Host: localhost"]
    lines += [f"Connection: {header}"] if header else []
    data = "\r\n".join(lines).encode() + b"\r\n\r\n"
    with server.connect() as connection:
        answer = connection.send(data).response()
        assert answer.status == 200
        if stays:
            assert answer.headers["connection"] == "keep-alive"
            assert connection.send(data).response().status == 200
        else:
            assert answer.headers["connection"] == "close"
            connection.assert_ends()


def test_pipelined_requests_are_answered_in_order(server):
    # Slow and quick ones by turns, so that order does not come by itself.
    paths = [("slow", float(i)) if i % 5 == 0 else ("example", float(i)) for i in range(40)]
    with server.connect() as connection:
        connection.send(
            b"".join(wire.post(f"/predict/{m}", {"inputs": v, "id": str(v)}) for m, v in paths)
        )
        for model, value in paths:
            answer = connection.response()
            assert answer.status == 200
            assert answer.json()["model_name"] == model
            if model == "slow":
                assert flat([answer.json()["result"]]) == [value]
            else:
                assert_close(sum(answer.json()["result"]), 1.0)


def test_a_refused_request_does_not_end_a_pipeline(server):
    good = wire.post("/predict/iris", {"inputs": IRIS[0]})
    bad = wire.post("/predict/iris", b'{"inputs": [')
    with server.connect() as connection:
        connection.send(good + bad + wire.request("GET", "/nowhere") + good)
        assert [connection.response().status for _ in range(4)] == [200, 400, 404, 200]


def chunked(data, size):
    pieces = [data[i : i + size] for i in range(0, len(data), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_a_body_may_come_in_chunks(server, size):
    body = json.dumps({"inputs": IRIS}).encode()
    head = (
        b"POST /predict/iris/batch HTTP/1.1\r\nHost: localhost\r\n"
        b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    with server.connect() as connection:
        for _ in range(2):  # the connection is still in step after the first
            answer = connection.send(head + chunked(body, size)).response()
            assert answer.status == 200
            assert [p["label"] for p in answer.json()["predictions"]] == IRIS_LABELS


def test_a_client_may_ask_before_it_sends_its_body(server):
    body = json.dumps({"inputs": IRIS[0]}).encode()
    with server.connect() as connection:
        whole = wire.post("/predict/iris", body, "Expect: 100-continue")
        connection.send(whole[: -len(body)])
        assert connection.response().status == 100
        assert connection.send(body).response().status == 200


@pytest.mark.parametrize(
    ("coding", "encode"), [("gzip", gzip.compress), ("deflate", zlib.compress)]
)
def test_a_body_may_be_compressed(server, coding, encode):
    body = encode(json.dumps({"inputs": IRIS}).encode())
    headers = {"Content-Type": "application/json", "Content-Encoding": coding}
    answer = server.post("/predict/iris/batch", data=body, headers=headers)
    assert answer.status_code == 200, answer.text
    assert [p["label"] for p in answer.json()["predictions"]] == IRIS_LABELS


@pytest.mark.parametrize(
    ("coding", "decode"),
    [("gzip", gzip.decompress), ("deflate", zlib.decompress), ("identity", bytes)],
)
def test_a_large_answer_is_compressed_as_the_client_likes(server, coding, decode):
    body = json.dumps({"inputs": IRIS * 100}).encode()
    with server.connect() as connection:
        data = wire.post("/predict/iris/batch", body, f"Accept-Encoding: {coding}")
        answer = connection.send(data).response()
    assert answer.headers.get("content-encoding", "identity") == coding
    assert "accept-encoding" in answer.headers["vary"].lower()
    predictions = json.loads(decode(answer.body))["predictions"]
    assert [p["label"] for p in predictions] == IRIS_LABELS * 100
    if coding != "identity":
        assert len(answer.body) < 0.5 * len(decode(answer.body))


def test_compression_both_ways_gives_the_same_answer(server):
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    response = server.post(
        "/predict/iris/batch", data=gzipped({"inputs": IRIS * 50}), headers=headers
    )
    assert response.headers["Content-Encoding"] == "gzip"
    assert [p["label"] for p in response.json()["predictions"]] == IRIS_LABELS * 50


def test_a_small_answer_is_not_compressed(server):
    response = server.get("/health/live", headers={"Accept-Encoding": "gzip"})
    assert "Content-Encoding" not in response.headers


GETS = ["/", "/health", "/health/live", "/health/ready", "/stats", "/config", "/models",
        "/models/iris", "/metrics", "/openapi.json"]  # fmt: skip


@pytest.mark.parametrize("path", GETS)
def test_head_answers_as_get_does_but_without_the_body(server, path):
    with server.connect() as connection:
        connection.send(wire.request("HEAD", path))
        head = connection.response(head=True)
        assert head.status == 200
        connection.send(wire.request("GET", path))
        answer = connection.response()  # in step, so no body was sent
        assert head.headers["content-type"] == answer.headers["content-type"]
        assert int(head.headers["content-length"]) > 0


@pytest.mark.parametrize("path", ["/predict", "/predict/iris", "/predict/iris/batch"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
def test_a_method_that_a_prediction_has_not_is_405(server, path, method):
    response = requests.request(method, server.url + path, timeout=PATIENCE)
    assert response.status_code == 405
    assert sorted(response.headers["Allow"].split(", ")) == ["OPTIONS", "POST"]
    if method != "HEAD":
        assert_is_error(response, 405, "METHOD_NOT_ALLOWED")


@pytest.mark.parametrize("path", GETS)
def test_a_method_that_a_view_has_not_is_405(server, path):
    response = server.post(path, {})
    assert_is_error(response, 405, "METHOD_NOT_ALLOWED")
    assert sorted(response.headers["Allow"].split(", ")) == ["GET", "HEAD", "OPTIONS"]


@pytest.mark.parametrize(
    ("path", "allowed"),
    [("/predict/iris", ["OPTIONS", "POST"]), ("/models", ["GET", "HEAD", "OPTIONS"])],
)
def test_options_says_what_a_path_allows(server, path, allowed):
    response = server.session.options(server.url + path, timeout=PATIENCE)
    assert response.status_code == 204
    assert response.content == b""
    assert sorted(response.headers["Allow"].split(", ")) == allowed


@pytest.mark.parametrize("path", ["/nowhere", "/predict/iris/", "/predict/iris/nowhere", "//"])
def test_a_path_that_leads_nowhere_is_404(server, path):
    assert_is_error(server.post(path, {"inputs": 1}), 404, "ROUTE_NOT_FOUND")


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", None])
def test_a_body_must_say_that_it_is_json(server, kind):
    headers = {"Content-Type": kind} if kind else {}
    response = server.post("/predict/iris", data=b'{"inputs": 1}', headers=headers)
    assert_is_error(response, 415, "UNSUPPORTED_MEDIA_TYPE", "application/json")


@pytest.mark.parametrize(
    "kind",
    ["application/json; charset=utf-8", "Application/JSON", "application/json;charset=UTF-8"],
)
def test_json_may_name_its_character_set(server, kind):
    data = json.dumps({"inputs": IRIS[0]})
    headers = {"Content-Type": kind}
    assert server.post("/predict/iris", data=data, headers=headers).status_code == 200


def test_the_request_id_of_a_client_comes_back(server):
    headers = {"X-Request-Id": "client-4711"}
    response = server.post("/predict/iris", {"inputs": IRIS[0]}, headers=headers)
    assert response.json()["request_id"] == "client-4711"
