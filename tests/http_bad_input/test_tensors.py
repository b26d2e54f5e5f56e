"""T1 to T6 and T9 to T11: good JSON that no model can take, alone and among good requests."""

import json
import threading

import pytest

import support
import wire
from watched_server import GOOD_PATH, GOOD_REQUEST, result_of
from wire import numbers

IRIS = "/predict/iris"
IRIS_ROW = [5.1, 3.5, 1.4, 0.2]
TWO_BATCH = "/predict/two_inputs/batch"
GOOD_ROW = {"age": 30, "income": [100, 50]}
GOOD_SCORE = 52.5
DYNAMIC = "/predict/dynamic_shape"
HUGE = 2**60 + 2


def deep(value, depth):
    for _ in range(depth):
        value = [value]
    return value


CASES = []


def case(name, body, code=None, *, path=GOOD_PATH, status=400, mentions=()):
    CASES.append(pytest.param(path, body, status, code, mentions, id=name))


def row(**changed):
    return {"inputs": {k: v for k, v in {**GOOD_ROW, **changed}.items() if v is not ...}}


# A shape has no place in these dialects: whoever sends one hears so, and nothing is multiplied.
for _name, _shape in {
    "T1-product-overflows": [16, HUGE],
    "T1-bytes-overflow": [4, HUGE],
    "T1-2-to-the-63": [2**63],
    "T1-many-large": [2**16] * 6,
    "T2-negative-dim": [-1, 2],
    "T2-zero-dim": [0],
    "T2-a-million-dims": [1] * 1_000_000,
    "T2-1000-dims": [1] * 1000,
    "T2-rank-0": [],
    "T2-float-dims": [1.5],
}.items():
    _tensor = {"name": "age", "datatype": "FP32", "shape": _shape, "data": [30]}
    case(f"{_name}-as-object", row(age=_tensor), {"TYPE", "SHAPE", "FIELD", "UNKNOWN_INPUT"})
    case(
        f"{_name}-as-v2-body",
        {"inputs": [_tensor]},
        {"TYPE", "SHAPE", "FIELD", "UNKNOWN_INPUT", "MISSING_INPUT"},
    )

case("T2-rank-0-for-rank-1", row(income=100), "SHAPE", mentions="income")
case("T2-rank-2-for-rank-1", row(income=[[100, 50]]), {"SHAPE", "TYPE"}, mentions="income")
case("T2-rank-50", row(income=deep(1, 50)), {"SHAPE", "TYPE"}, mentions="income")
case(
    "T2-rank-1000",
    b'{"inputs": {"age": 30, "income": ' + b"[" * 1000 + b"1" + b"]" * 1000 + b"}}",
    "TOO_DEEP",
)
case("T2-no-elements", row(income=[]), "SHAPE", mentions="income")
case("T2-lists-without-elements", row(income=[[], []]), {"SHAPE", "TYPE"}, mentions="income")
case("T2-image-flat-63", {"inputs": [0] * 63}, "SHAPE", path="/predict/digits", mentions="inputs")
case("T2-image-flat-65", {"inputs": [0] * 65}, "SHAPE", path="/predict/digits", mentions="inputs")
case(
    "T2-image-rank-2", {"inputs": [[0] * 8] * 8}, "SHAPE", path="/predict/digits", mentions="inputs"
)
case("T2-image-no-rows", {"inputs": [[]]}, "SHAPE", path="/predict/digits", mentions="inputs")
case(
    "T2-two-dims-for-a-vector",
    {"inputs": [[1, 2], [3, 4]]},
    {"SHAPE", "TYPE"},
    path=DYNAMIC,
    mentions="inputs",
)

case("T3-one-too-few", row(income=[100]), "SHAPE", mentions="income")
case("T3-one-too-many", row(income=[100, 50, 1]), "SHAPE", mentions="income")
case("T3-a-million-too-many", row(income=[1] * 1_000_000), "SHAPE", mentions="income")
case("T3-two-for-a-scalar", row(age=[1, 2]), "SHAPE", mentions="age")
case("T3-list-within", row(income=[100, [50]]), {"SHAPE", "TYPE"}, mentions="income")
case("T3-number-beside-list", row(income=[[100], 50]), {"SHAPE", "TYPE"}, mentions="income")
case("T3-iris-too-short", {"inputs": IRIS_ROW[:3]}, "SHAPE", path=IRIS, mentions="inputs")
case("T3-iris-too-long", {"inputs": [*IRIS_ROW, 1]}, "SHAPE", path=IRIS, mentions="inputs")
case("T3-features-too-short", {"features": IRIS_ROW[:3]}, "SHAPE", path=IRIS, mentions="features")
case("T3-features-too-long", {"features": [*IRIS_ROW, 1]}, "SHAPE", path=IRIS, mentions="features")
case(
    "T3-features-nested",
    {"features": [[1, 2], [3, 4]]},
    {"SHAPE", "TYPE"},
    path=IRIS,
    mentions="features",
)
case("T3-features-empty", {"features": []}, "SHAPE", path=IRIS, mentions="features")
_image = [[[0.0] * 8 for _ in range(8)]]
case(
    "T3-image-ragged-last-row",
    {"inputs": [[*_image[0][:7], [0.0] * 7]]},
    "SHAPE",
    path="/predict/digits",
    mentions="inputs",
)
case(
    "T3-image-ragged-first-row",
    {"inputs": [[[0.0] * 9, *_image[0][1:]]]},
    "SHAPE",
    path="/predict/digits",
    mentions="inputs",
)
case(
    "T3-image-ragged-but-64-numbers",
    {"inputs": [[[0.0] * 9, [0.0] * 7, *_image[0][2:]]]},
    "SHAPE",
    path="/predict/digits",
    mentions="inputs",
)
case(
    "T3-image-one-row-short",
    {"inputs": [_image[0][:7]]},
    "SHAPE",
    path="/predict/digits",
    mentions="inputs",
)
case(
    "T3-image-two-channels",
    {"inputs": _image * 2},
    "SHAPE",
    path="/predict/digits",
    mentions="inputs",
)

case("T4-missing-input", row(age=...), "MISSING_INPUT", mentions="age")
case("T4-missing-second-input", row(income=...), "MISSING_INPUT", mentions="income")
case("T4-no-input", {"inputs": {}}, "MISSING_INPUT")
case("T4-extra-input", row(height=180), "UNKNOWN_INPUT", mentions="height")
case("T4-misspelt-input", row(age=..., agee=30), {"UNKNOWN_INPUT", "MISSING_INPUT"}, mentions="age")
case("T4-capital-input", row(age=..., Age=30), {"UNKNOWN_INPUT", "MISSING_INPUT"}, mentions="Age")
case("T4-list-for-two-inputs", {"inputs": [30, [100, 50]]}, mentions="age")
case("T4-number-for-two-inputs", {"inputs": 30}, mentions="age")
case(
    "T4-unknown-input-of-iris",
    {"inputs": {"feature": IRIS_ROW}},
    {"UNKNOWN_INPUT", "MISSING_INPUT"},
    path=IRIS,
    mentions="feature",
)
case("T4-texts-for-FP32", {"inputs": ["a"] * 4}, "TYPE", path=IRIS, mentions="inputs")
case("T4-booleans-for-FP32", {"inputs": [True] * 4}, "TYPE", path=IRIS, mentions="inputs")
case("T4-null-among-numbers", {"inputs": [1, 2, None, 4]}, "TYPE", path=IRIS, mentions="inputs")
case("T4-text-last", {"inputs": [1, 2, 3, "4"]}, "TYPE", path=IRIS, mentions="inputs")
case(
    "T4-object-among-numbers",
    {"inputs": [1, 2, {}, 4]},
    {"TYPE", "SHAPE"},
    path=IRIS,
    mentions="inputs",
)
case(
    "T4-numbers-for-texts", {"inputs": [1]}, "TYPE", path="/predict/string_input", mentions="inputs"
)
case("T4-features-text", {"features": [1, 2, 3, "4"]}, "TYPE", path=IRIS, mentions="features")
case("T4-unknown-feature-names", {"features": {"a": 1, "b": 2, "c": 3, "d": 4}}, path=IRIS)
case("T4-features-for-two-inputs", {"features": [30, 100, 50]})
case(
    "T4-unknown-model",
    {"features": IRIS_ROW, "model_id": "iriss"},
    "MODEL_NOT_FOUND",
    path="/predict",
    status=404,
    mentions="iris",
)
case(
    "T4-unknown-version",
    {"features": IRIS_ROW, "version": "7"},
    "VERSION_NOT_FOUND",
    path=IRIS,
    status=404,
    mentions="7",
)
case("T4-model-in-path-and-another-in-body", {"features": IRIS_ROW, "model_id": "slow"}, path=IRIS)

for _path in (TWO_BATCH, "/predict/iris/batch", "/predict/slow/batch"):
    case(f"T5-batch-of-0-{_path.split('/')[2]}", {"inputs": []}, "EMPTY_BATCH", path=_path)
case("T5-no-instances", {"instances": []}, "EMPTY_BATCH", path="/predict/iris/batch")
case("T5-no-instances-without-model", {"instances": []}, "EMPTY_BATCH", path="/predict/batch")
case("T5-a-million-rows-and-one", {"inputs": [0] * 1_000_001}, None, path="/predict/slow/batch")

_many = [f"o{i}" for i in range(100_000)]
case("T9-10000-parameters", {**row(), "parameters": {f"p{i}": i for i in range(10_000)}})
case("T9-10000-context-entries", {**row(), "context": {f"p{i}": "a" for i in range(10_000)}})
case("T9-10000-fields", {**row(), **{f"p{i}": i for i in range(10_000)}})
case("T9-10000-inputs", row(**{f"p{i}": i for i in range(10_000)}))
case("T9-10000-features-by-name", {"features": {f"p{i}": i for i in range(10_000)}}, path=IRIS)
case("T9-top-k-beyond-64-bits", {"features": IRIS_ROW, "top_k": 10**20}, path=IRIS)

case("T11-id-of-1-MB", {**row(), "id": "a" * 1_000_000})
case("T11-id-of-129", {**row(), "id": "a" * 129})
case("T11-id-with-newline", {**row(), "id": "a\nb"})
case("T11-id-with-escape", {**row(), "id": "a\x1b[31mb"})
case("T11-id-with-nul", {**row(), "id": "a\x00b"})


@pytest.mark.parametrize("path,body,status,code,mentions", CASES)
def test_request_that_does_not_fit_is_refused(server, path, body, status, code, mentions):
    with server.connect() as connection:
        response = connection.send(wire.post(path, body)).response()
        wire.assert_error(response, status, code, mentions)
        assert result_of(connection.send(GOOD_REQUEST).response()) == server.good_result


def test_T9_100000_requested_outputs(server):
    """No dialect of ours lets a client name outputs; whoever does pays for reading them only."""
    response = server.send(wire.post(GOOD_PATH, {**row(), "outputs": _many}))
    if response.status != 200:
        wire.assert_error(response, 400)
    else:
        assert result_of(response) == server.good_result


def test_T9_top_k_gives_no_more_classes_than_there_are(server):
    for top_k in (1, 3, 4, 1000, 2**63 - 1):
        answer = server.predict(IRIS, {"features": IRIS_ROW, "top_k": top_k})
        assert len(answer["classes"]) == min(top_k, 3)


def test_T9_instances_that_name_many_models(server):
    """One call per model, not per name of one: 2,000 unknown names are 2,000 errors at most."""
    instances = [{"features": IRIS_ROW, "model_id": f"m{i}"} for i in range(2000)]
    response = server.send(wire.post("/predict/batch", {"instances": instances}))
    if response.status != 200:
        wire.assert_error(response, {400, 404})
        return
    answer = response.json()
    assert answer["success_count"] == 0 and answer["error_count"] == 2000
    assert all(p["prediction"] is None and p["error"] for p in answer["predictions"])


def test_T2_zero_size_is_the_models_affair(server):
    """dynamic_shape takes rows of any length: none is a length too, or is refused."""
    response = server.send(wire.post(DYNAMIC, {"inputs": []}))
    if response.status == 200:
        assert numbers(response.json()["result"]) == [0]
    else:
        wire.assert_error(response, 400, "SHAPE", "inputs")


def batch_of(server, path, rows, **fields):
    answer = server.predict(path, {"inputs": rows, **fields})
    assert len(answer["predictions"]) == len(rows)
    return answer


def failed(answer):
    info = answer["batch_info"]
    nulls = [i for i, p in enumerate(answer["predictions"]) if p is None]
    assert info["failed_indices"] == nulls
    assert info["failed_predictions"] == len(nulls) == len(info["failure_reasons"])
    assert info["successful_predictions"] == len(answer["predictions"]) - len(nulls)
    return nulls


@pytest.mark.parametrize("rows", [65, 1000, 5000], ids=lambda n: f"T5-{n}-rows")
def test_batch_beyond_the_maximum_is_split_and_merged(server, rows):
    assert server.stats_of("two_inputs")["batching"]["max_batch_size"] < rows
    answer = batch_of(
        server, TWO_BATCH, [{"age": 2 * i, "income": [4, 4 * i]} for i in range(rows)]
    )
    assert failed(answer) == []
    assert [numbers(p) for p in answer["predictions"]] == [[2.0 * i + 1] for i in range(rows)]


@pytest.mark.parametrize("rows", [1, 2, 3, 4, 5, 9], ids=lambda n: f"T5-{n}-rows")
@pytest.mark.parametrize("model", ["fixed_one", "fixed_batch"])
def test_fixed_batch_takes_any_number_of_rows(server, model, rows):
    answer = batch_of(server, f"/predict/{model}/batch", [[i, 0.5, -i] for i in range(rows)])
    assert failed(answer) == []
    assert [numbers(p) for p in answer["predictions"]] == [[2 * i, 1, -2 * i] for i in range(rows)]


BAD_ROWS = {
    "T3-too-short": {"age": 1, "income": [1]},
    "T3-ragged": {"age": 1, "income": [1, [2]]},
    "T4-wrong-type": {"age": "1", "income": [1, 2]},
    "T4-missing-input": {"age": 1},
    "T4-extra-input": {"age": 1, "income": [1, 2], "height": 3},
    "T4-no-object": [1, 2],
    "T4-null": None,
    "J5-out-of-range": {"age": 1e300, "income": [1, 2]},
}


@pytest.mark.parametrize("bad", BAD_ROWS.values(), ids=BAD_ROWS.keys())
@pytest.mark.parametrize("at", [0, 3, 6])
def test_bad_row_fails_alone(server, bad, at):
    """Its neighbours' bits are those of the batch without it."""
    good = [{"age": i, "income": [i, 0.1 * i]} for i in range(7)]
    clean = batch_of(server, TWO_BATCH, good)["predictions"]
    answer = batch_of(server, TWO_BATCH, good[:at] + [bad] + good[at + 1 :])
    assert failed(answer) == [at]
    assert answer["batch_info"]["failure_reasons"][0]
    assert not wire.INTERNALS.search(answer["batch_info"]["failure_reasons"][0])
    for i in range(7):
        assert i == at or answer["predictions"][i] == clean[i]


def test_T5_batch_in_which_every_row_is_bad(server):
    answer = batch_of(server, TWO_BATCH, list(BAD_ROWS.values()))
    assert len(failed(answer)) == len(BAD_ROWS)
    assert answer["success"] is False


@pytest.mark.parametrize(
    "bad",
    [[1, 2], [1, 2, 3, "4"], [1, 2, 3, [4]], [], None, {"a": 1}],
    ids=lambda value: f"T3-{json.dumps(value)}",
)
def test_bad_instance_fails_alone(server, bad):
    instances = [{"features": IRIS_ROW}, {"features": bad}, {"features": IRIS_ROW}]
    answer = server.predict("/predict/iris/batch", {"instances": instances})
    assert answer["success_count"] == 2 and answer["error_count"] == 1
    first, wrong, last = answer["predictions"]
    assert wrong["error"] and wrong["prediction"] is None
    assert not wire.INTERNALS.search(wrong["error"])
    assert first["prediction"] == last["prediction"] is not None
    assert first["probabilities"] == last["probabilities"]


NAN = "/predict/nan_output"


def logs(answer):
    return [prediction["log"] for prediction in answer["predictions"]]


def test_T6_result_that_is_not_finite_is_null_and_said_so(server):
    for value in (-1, 0):
        answer = server.predict(NAN, {"inputs": value})
        assert answer["success"] is True
        assert numbers(answer["result"]["y"]) == [value]
        assert numbers(answer["result"]["log"]) == [None]
        assert answer["metadata"]["nonfinite"] is True
    clean = server.predict(NAN, {"inputs": 1})
    assert numbers(clean["result"]["log"]) == [0]
    assert not clean["metadata"].get("nonfinite", False)


def test_T6_neighbours_of_NaN_keep_their_bits(server):
    clean = [0.1 * i + 1 for i in range(9)]
    wanted = logs(batch_of(server, NAN + "/batch", clean))
    for bad in (-1, 0, 1e-45, -0.0):
        for at in range(9):
            rows = clean[:at] + [bad] + clean[at + 1 :]
            answer = batch_of(server, NAN + "/batch", rows)
            assert failed(answer) == []
            got = logs(answer)
            assert [got[i] for i in range(9) if i != at] == [wanted[i] for i in range(9) if i != at]


def test_T6_neighbours_of_NaN_in_other_requests_keep_their_bits(server):
    """Clean and bad requests at once, so that they meet in runs. A runtime may round the same row
    otherwise in runs of other sizes; so what is right is what clean runs of any size give."""
    clean = [1 + i / 7 for i in range(8)]
    right = [set() for _ in clean]
    for size in range(1, 17):
        for shift in range(size):
            rows = [clean[(i - shift) % 8] for i in range(size)]
            for i, log in enumerate(logs(batch_of(server, NAN + "/batch", rows))):
                right[(i - shift) % 8].add(str(log))

    def ask(i):
        with server.connect() as connection:
            for _ in range(30):
                value = -1 if i % 2 else clean[i // 2]
                answer = connection.send(wire.post(NAN, {"inputs": value})).response().json()
                if i % 2:
                    assert numbers(answer["result"]) == [-1, None]
                else:
                    assert str(answer["result"]["log"]) in right[i // 2]

    support.together(16, ask)


def test_T6_denormals_are_kept(server):
    for text in ("1e-45", "1.1754942e-38", "-1e-40"):
        answer = server.send(wire.post(NAN, b'{"inputs": %b}' % text.encode())).json()
        (y,) = numbers(answer["result"]["y"])
        assert y == pytest.approx(float(text), rel=1e-1) and y != 0


def test_T10_rows_of_all_lengths_at_once(server):
    """Each is answered with its own sum; those that do not fit fail alone."""

    def ask(i):
        with server.connect() as connection:
            for n in range(40):
                length = 1 + (i * 7 + n) % 23
                if (i + n) % 5 == 0:
                    bad = [{"inputs": [1, [2]]}, {"inputs": ["a"] * length}, {"inputs": None}][
                        n % 3
                    ]
                    wire.assert_error(connection.send(wire.post(DYNAMIC, bad)).response(), 400)
                else:
                    body = {"inputs": [i] * length}
                    response = connection.send(wire.post(DYNAMIC, body)).response()
                    assert response.status == 200, response.body
                    assert numbers(response.json()["result"]) == [i * length]

    support.together(12, ask)


def test_T10_rows_of_all_lengths_in_one_batch(server):
    lengths = [1 + i * 7 % 23 for i in range(60)]
    answer = batch_of(server, DYNAMIC + "/batch", [[i] * n for i, n in enumerate(lengths)])
    assert failed(answer) == []
    assert [numbers(p) for p in answer["predictions"]] == [[i * n] for i, n in enumerate(lengths)]


MARKED = "/predict/fails_on_marked_row"
REJECTED = "INPUT_REJECTED_BY_MODEL"


def test_T10_row_that_the_model_refuses_is_422(server):
    before = server.metric("muster_http_responses_total", **{"class": "5xx"})
    wire.assert_error(server.send(wire.post(MARKED, {"inputs": [-999, 0, 0]})), 422, REJECTED)
    assert server.predict(MARKED, {"inputs": [1, 2, 3]})["success"] is True
    assert server.metric("muster_http_responses_total", **{"class": "5xx"}) == before


def test_T10_row_that_the_model_refuses_never_fails_its_batch_mates(server):
    """A run fails as a whole; who was in it by chance must not notice."""
    wanted = {
        i: numbers(server.predict(MARKED, {"inputs": [i, 2, 3]})["result"]) for i in range(16)
    }
    refused = threading.Semaphore(0)

    def ask(i):
        with server.connect() as connection:
            for n in range(20):
                marked = (i + n) % 8 == 0
                body = {"inputs": [-999 if marked else i, 2, 3]}
                response = connection.send(wire.post(MARKED, body)).response()
                if marked:
                    wire.assert_error(response, 422, REJECTED)
                    refused.release()
                else:
                    assert response.status == 200, response.body
                    assert numbers(response.json()["result"]) == wanted[i]

    support.together(16, ask)
    for _ in range(40):
        assert refused.acquire(blocking=False)


def test_T10_client_with_nothing_but_refused_rows_fails_nobody_elses_request(server):
    """Four clients with batches that the model refuses, twelve with rows that it takes."""
    seen = []

    def ask(i):
        with server.connect() as connection:
            for _ in range(30):
                if i < 4:
                    body = wire.post(MARKED + "/batch", {"inputs": [[-999, 0, 0]] * 30})
                    connection.send(body).response()
                else:
                    response = connection.send(wire.post(MARKED, {"inputs": [i, 2, 3]})).response()
                    seen.append(response.status)

    support.together(16, ask)
    failures = [status for status in seen if status != 200]
    assert not failures, f"{len(failures)} of {len(seen)} good requests: {set(failures)}"


def test_T10_many_refused_rows_at_once_are_the_clients_fault_each(server):
    """No input may yield a 500, however much of it meets in a run."""
    seen = []

    def ask(_):
        with server.connect() as connection:
            for _ in range(20):
                body = wire.post(MARKED, {"inputs": [-999, 2, 3]})
                seen.append(connection.send(body).response().status)

    support.together(32, ask)
    assert set(seen) == {422}, {status: seen.count(status) for status in set(seen)}


@pytest.mark.parametrize(
    "marked",
    [[0], [7], [0, 1], [3, 40, 99], list(range(0, 100, 2))],
    ids=lambda rows: f"T10-{len(rows)}-of-100",
)
def test_rows_that_the_model_refuses_fail_alone_in_a_batch(server, marked):
    rows = [[-999 if i in marked else i, i, 0.5] for i in range(100)]
    answer = batch_of(server, MARKED + "/batch", rows)
    assert failed(answer) == marked
    for i, prediction in enumerate(answer["predictions"]):
        assert i in marked or numbers(prediction) == [2 * i, 2 * i, 1]


def test_T10_model_that_breaks_its_word_is_not_believed(server):
    """wrong_rows answers with another number of rows than it was given: no client's fault, and
    nobody may get another's row."""
    single = server.send(wire.post("/predict/wrong_rows", {"inputs": [1, 2, 3]}))
    if single.status == 200:
        assert numbers(single.json()["result"]) == [1, 2, 3]
    batch = server.send(wire.post("/predict/wrong_rows/batch", {"inputs": [[1, 2, 3], [4, 5, 6]]}))
    if batch.status == 200:
        for i, prediction in enumerate(batch.json()["predictions"]):
            assert prediction is None or numbers(prediction) == [[1, 2, 3], [4, 5, 6]][i]
    else:
        wire.assert_error(batch, {500, 503}, {"BACKEND_INVALID", "MODEL_NOT_READY"})


IDS = {
    "T11-header-1-MB": (b"a" * 1_000_000, 431),
    "T11-header-30-KB": (b"a" * 30_000, 200),
    "T11-header-not-utf-8": (b"\xff\xfe", 200),
    "T11-header-latin-1": (b"caf\xe9", 200),
    "T11-header-tab": (b"a\tb", 200),
    "T11-header-quotes": (b'a"b\\c', 200),
    "T11-header-markup": (b"<script>alert(1)</script>", 200),
    "T11-header-newline": (b"a\nlevel=error fake", 400),
    "T11-header-carriage-return": (b"a\rlevel=error fake", 400),
    "T11-header-escape": (b"a\x1b[31m", 400),
}


@pytest.mark.parametrize("value,status", IDS.values(), ids=IDS.keys())
def test_request_id_header(server, value, status):
    """Kept where it is short and plain, replaced where it is not; in no case does it break out."""
    data = wire.post(GOOD_PATH, b"{", b"X-Request-Id: " + value)
    body = wire.assert_error(server.send(data), 400 if status == 200 else status)
    request_id = body["request_id"]
    assert len(request_id) <= 128 and request_id.isascii() and request_id.isprintable()
    if value in (b'a"b\\c', b"<script>alert(1)</script>"):
        assert request_id in (value.decode(), request_id if request_id.startswith("req_") else "")


def test_T11_nothing_a_client_names_begins_a_line_of_the_log(server):
    """What looks like a line of the log in any place that may be logged."""
    fake = "2026-01-01T00:00:00.000Z ERROR forged"
    for literal in (fake, "a\n" + fake, "a\r\n" + fake, "a\u2028" + fake, "a\x85" + fake):
        body = json.dumps({"inputs": 1, "id": literal}).encode()
        for data in [
            wire.post(GOOD_PATH, body),
            wire.post("/predict", {"features": [1], "model_id": literal}),
            wire.post(GOOD_PATH, {"inputs": {literal: 1}}),
            wire.post(GOOD_PATH, {literal: 1}),
            b"GET / HTTP/1.1\r\nHost: a\r\nX: " + literal.encode() + b"\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\r\n" + literal.encode() + b": x\r\n\r\n",
            literal.encode() + b" / HTTP/1.1\r\nHost: a\r\n\r\n",
        ]:
            with server.connect() as connection:
                connection.send(data).response()
    assert not [line for line in server.errors if line.startswith(fake)]
    # Python's own idea of lines has separators that a terminal or a viewer may share.
    assert not [line for text in server.errors for line in text.splitlines()[1:]]
