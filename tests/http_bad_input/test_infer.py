"""P15, J1 to J8 and T1 to T9 on /v2: what no model can take, in the Open Inference Protocol."""

import json
import struct

import pytest

import wire
from watched_server import GOOD_REQUEST, result_of

TWO = "/v2/models/two_inputs/infer"
TYPED = "/v2/models/typed_inputs/infer"
TEXT = "/v2/models/string_input/infer"
IRIS = "/v2/models/iris/infer"
RAW = "application/octet-stream"
JSON_BYTES = "Inference-Header-Content-Length"
HUGE = 2**60 + 2

AGE = {"name": "age", "datatype": "FP32", "shape": [1, 1], "data": [30]}
INCOME = {"name": "income", "datatype": "FP32", "shape": [1, 2], "data": [100, 50]}
GOOD = json.dumps({"inputs": [AGE, INCOME]}).encode()

CASES = []


def case(name, body, code=None, *, path=TWO, mentions=(), json_bytes=None):
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    CASES.append(pytest.param(path, body, json_bytes, code, mentions, id=name))


def income(**changed):
    """A body whose second input is changed; `...` takes a field away."""
    second = {k: v for k, v in (INCOME | changed).items() if v is not ...}
    return {"inputs": [AGE, second]}


def data(text):
    """A body with JSON text for the data of its second input, good or not."""
    before, after = json.dumps(income(data="HERE")).split('"HERE"')
    return before.encode() + text + after.encode()


for _name, _length in {
    "far-beyond-the-body": "99999999999",
    "beyond-64-bits": "18446744073709551617",
    "negative": "-1",
    "plus": "+1",
    "one-beyond-the-body": str(len(GOOD) + 1),
    "no-number": "all",
    "hexadecimal": "0x10",
    "fraction": "1.5",
    "two": "1, 2",
}.items():
    case(f"P15-{_name}", GOOD, "BINARY", json_bytes=_length)
case("P15-within-the-body", GOOD, json_bytes=str(len(GOOD) - 1))
case("P15-0-for-two-inputs", GOOD, json_bytes="0")
case("P15-0-for-strings", b"green", path=TEXT, json_bytes="0")
case("P15-0-and-no-whole-rows", b"x" * 15, path=IRIS, json_bytes="0")
case("P15-0-and-nothing", b"", path=IRIS, json_bytes="0")


def binary(name, tail, code, mentions=("income",), **changed):
    """A body whose second input says that its data are in binary, with `tail` behind the JSON."""
    parameters = changed.pop("parameters", {"binary_data_size": 8})
    text = json.dumps(income(data=..., parameters=parameters, **changed)).encode()
    case(name, text + tail, code, mentions=mentions, json_bytes=str(len(text)))


EIGHT = struct.pack("<2f", 100, 50)
binary("P15-bytes-missing", EIGHT[:7], "BINARY", ())
binary("P15-no-bytes", b"", "BINARY", ())
binary("P15-bytes-left-over", EIGHT + b"x", "BINARY", ())
binary("P15-size-too-small", EIGHT[:4], None, (), parameters={"binary_data_size": 4})
binary("P15-size-too-large", EIGHT * 2, None, (), parameters={"binary_data_size": 16})
binary("P15-size-negative", EIGHT, None, (), parameters={"binary_data_size": -8})
binary("P15-size-2-to-the-64", EIGHT, None, (), parameters={"binary_data_size": 2**64})
binary("P15-size-is-text", EIGHT, None, (), parameters={"binary_data_size": "8"})
binary("P15-size-0", EIGHT, None, (), parameters={"binary_data_size": 0})
binary("P15-huge-shape", EIGHT, None, (), shape=[1, HUGE])
case("P15-data-and-bytes", income(parameters={"binary_data_size": 8}))
case("P15-neither-data-nor-bytes", income(data=...), mentions="income")

for _name, _tail in {
    "T7-length-beyond-the-end": struct.pack("<I", 6) + b"green",
    "T7-length-2-to-the-32-less-1": struct.pack("<I", 2**32 - 1) + b"green",
    "T7-half-a-length": b"\x05\x00",
    "T7-one-too-many": (struct.pack("<I", 0)) * 2,
    "T7-nothing": b"",
}.items():
    _input = {"name": "text", "datatype": "BYTES", "shape": [1, 1]}
    _text = json.dumps(
        {"inputs": [_input | {"parameters": {"binary_data_size": len(_tail)}}]}
    ).encode()
    case(_name, _text + _tail, path=TEXT, json_bytes=str(len(_text)))

for _depth in (101, 1000, 250_000):
    _deep = b"[" * _depth + b"1" + b"]" * _depth
    case(f"J1-depth-{_depth}-in-data", data(_deep), "TOO_DEEP")
    case(f"J1-depth-{_depth}-ignored", GOOD[:-1] + b', "nobody": %b}' % _deep, "TOO_DEEP")
    case(
        f"J1-depth-{_depth}-in-parameters",
        GOOD[:-1] + b', "parameters": {"a": %b}}' % _deep,
        "TOO_DEEP",
    )
for _name, _body in {
    "truncated": GOOD[:-1],
    "trailing-garbage": GOOD + b"x",
    "two-documents": GOOD + GOOD,
    "byte-order-mark": b"\xef\xbb\xbf" + GOOD,
    "single-quotes": b"{'inputs': []}",
}.items():
    case(f"J2-{_name}", _body, "JSON")
case("J3-shape-twice", GOOD.replace(b'"shape"', b'"shape": [1, 1], "shape"', 1), "DUPLICATE_KEY")
case("J3-inputs-twice", b'{"inputs": [], %b' % GOOD[1:], "DUPLICATE_KEY")
case("J3-input-twice", {"inputs": [AGE, AGE, INCOME]}, "DUPLICATE_KEY", mentions="age")
case(
    "J3-output-twice",
    {"inputs": [AGE, INCOME], "outputs": [{"name": "score"}, {"name": "score"}]},
    "DUPLICATE_KEY",
    mentions="score",
)
for _token in (b"NaN", b"Infinity", b"-Infinity"):
    case(f"J4-{_token.decode()}", data(b"[100, %b]" % _token), "JSON")
for _token in (b"1e39", b"1e999"):
    case(f"J4-{_token.decode()}", data(b"[100, %b]" % _token), {"OUT_OF_RANGE", "JSON"})
for _name, _token in {"true": b"true", "text": b'"50"', "null": b"null", "object": b"{}"}.items():
    case(f"J5-{_name}-for-FP32", data(b"[100, %b]" % _token), mentions="income")


def typed(**changed):
    inputs = {
        "i64": ("INT64", [1, 2], [1, 2]),
        "u8": ("UINT8", [1, 2], [3, 4]),
        "flag": ("BOOL", [1, 1], [True]),
        "d": ("FP64", [1, 1], [0.5]),
    }
    return {
        "inputs": [
            {"name": n, "datatype": t, "shape": s, "data": changed.get(n, d)}
            for n, (t, s, d) in inputs.items()
        ]
    }


case("J5-300-for-UINT8", typed(u8=[300, 1]), "OUT_OF_RANGE", path=TYPED, mentions="u8")
case("J5-minus-1-for-UINT8", typed(u8=[-1, 1]), "OUT_OF_RANGE", path=TYPED, mentions="u8")
case("J5-half-for-INT64", typed(i64=[1.5, 1]), {"TYPE", "OUT_OF_RANGE"}, path=TYPED, mentions="i64")
case("J5-2-to-the-63-for-INT64", typed(i64=[2**63, 1]), "OUT_OF_RANGE", path=TYPED, mentions="i64")
case("J5-1-for-BOOL", typed(flag=[1]), "TYPE", path=TYPED, mentions="flag")
for _name, _value in {"half": 1.5, "text": "soon", "negative": -1, "list": [1]}.items():
    for _key in ("timeout", "priority"):
        case(
            f"J5-{_key}-{_name}",
            {"inputs": [AGE, INCOME], "parameters": {_key: _value}},
            {"FIELD", "TYPE", "OUT_OF_RANGE"},
            mentions=_key,
        )
_text = b'{"inputs": [{"name": "text", "datatype": "BYTES", "shape": [1, 1], "data": ["%b"]}]}'
for _name, _literal in {"not-utf-8": b"\xff", "overlong": b"\xc0\x80", "lone": rb"\ud800"}.items():
    case(f"J6-{_name}", _text % _literal, "JSON", path=TEXT)
for _name, _body in {
    "empty": b"",
    "null": b"null",
    "list": b"[]",
    "empty-object": b"{}",
    "no-inputs": b'{"inputs": []}',
    "inputs-null": b'{"inputs": null}',
    "inputs-object": b'{"inputs": {}}',
    "input-null": b'{"inputs": [null]}',
    "input-empty": b'{"inputs": [{}]}',
    "outputs-object": GOOD[:-1] + b', "outputs": {}}',
    "output-without-name": GOOD[:-1] + b', "outputs": [{}]}',
    "parameters-list": GOOD[:-1] + b', "parameters": []}',
    "body-of-another-dialect": b'{"inputs": {"age": 30, "income": [100, 50]}}',
}.items():
    case(f"J8-{_name}", _body)

for _name, _shape in {
    "T1-product-overflows": [16, HUGE],
    "T1-bytes-overflow": [4, HUGE],
    "T1-2-to-the-63": [2**63, 2],
    "T1-many-large": [2**16] * 6,
    "T2-negative": [-1, 2],
    "T2-no-rows": [0, 2],
    "T2-a-million-dims": [1] * 1_000_000,
    "T2-1000-dims": [1] * 1000,
    "T2-rank-0": [],
    "T2-rank-1": [2],
    "T2-float": [1.5, 2],
    "T2-text": ["1", 2],
    "T2-null": None,
    "T2-number": 2,
    "T2-missing": ...,
    "T3-shape-of-two-rows": [2, 2],
    "T3-shape-of-one-number": [1, 1],
}.items():
    case(_name, income(shape=_shape))
case("T3-one-too-few", income(data=[100]), mentions="income")
case("T3-one-too-many", income(data=[100, 50, 1]), mentions="income")
case("T3-a-million-too-many", income(data=[1] * 1_000_000), mentions="income")
case("T3-ragged", income(data=[[100], [50]]), mentions="income")
case("T3-list-beside-number", income(data=[100, [50]]), mentions="income")
case("T3-no-list", income(data=100), mentions="income")
case("T4-wrong-datatype", income(datatype="FP64"), "TYPE", mentions="income")
case("T4-unknown-datatype", income(datatype="FP33"), mentions="FP33")
case("T4-datatype-missing", income(datatype=...), mentions="income")
case("T4-missing-input", {"inputs": [AGE]}, "MISSING_INPUT", mentions="income")
case(
    "T4-extra-input",
    {"inputs": [AGE, INCOME, AGE | {"name": "height"}]},
    "UNKNOWN_INPUT",
    mentions="height",
)
case(
    "T4-unknown-output",
    {"inputs": [AGE, INCOME], "outputs": [{"name": "scores"}]},
    "UNKNOWN_OUTPUT",
    mentions="score",
)
case(
    "T5-rows-differ",
    {"inputs": [AGE | {"shape": [2, 1], "data": [1, 2]}, INCOME]},
    "SHAPE",
)
case(
    "T9-100000-outputs",
    {"inputs": [AGE, INCOME], "outputs": [{"name": f"o{i}"} for i in range(100_000)]},
)
case(
    "T9-100000-times-one-output",
    {"inputs": [AGE, INCOME], "outputs": [{"name": "score"}] * 100_000},
)
case(
    "T9-10000-parameters",
    {"inputs": [AGE, INCOME], "parameters": {f"p{i}": i for i in range(10_000)}},
)


@pytest.mark.parametrize("path,body,json_bytes,code,mentions", CASES)
def test_bad_body_is_refused_and_the_connection_goes_on(
    server, path, body, json_bytes, code, mentions
):
    lines = [] if json_bytes is None else [f"{JSON_BYTES}: {json_bytes}"]
    with server.connect() as connection:
        response = connection.send(wire.post(path, body, *lines, kind=RAW)).response()
        wire.assert_error(response, 400, code, mentions)
        assert connection.send(wire.post(TWO, GOOD)).response().status == 200
        assert result_of(connection.send(GOOD_REQUEST).response()) == server.good_result


@pytest.mark.parametrize(
    "body", [b'{"ready": 1}', b'{"ready": true', b"[]", b'{"ready": true, "ready": true}']
)
def test_J8_bad_question_for_the_index_is_refused(server, body):
    with server.connect() as connection:
        response = connection.send(wire.post("/v2/repository/index", body)).response()
        wire.assert_error(response, 400)
        assert result_of(connection.send(GOOD_REQUEST).response()) == server.good_result


def test_T6_not_a_number_harms_no_neighbour(server):
    """Binary input passes NaN; a clean request beside it has the same bits as alone."""
    text = json.dumps(income(data=..., parameters={"binary_data_size": 8})).encode()
    bad = text + struct.pack("<2f", float("nan"), 1)
    lines = [f"{JSON_BYTES}: {len(text)}"]
    with server.connect() as one, server.connect() as two:
        for _ in range(20):
            one.send(wire.post(TWO, bad, *lines, kind=RAW))
            two.send(GOOD_REQUEST)
            answer = one.response()
            assert answer.status == 200, answer.body
            (score,) = answer.json()["outputs"]
            assert wire.numbers(score["data"]) == [None]
            assert result_of(two.response()) == server.good_result
