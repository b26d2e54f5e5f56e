"""J1 to J9: what is not JSON, not the JSON that was asked for, or far too much of it."""

import json
import re

import pytest

import wire
from watched_server import GOOD_BODY, GOOD_PATH, GOOD_REQUEST, is_sanitized, result_of
from wire import numbers

TYPED = "/predict/typed_inputs"
TYPED_ROW = {"i64": [1, 2], "u8": [3, 4], "flag": True, "d": 0.5}
TEXT = "/predict/string_input"
IRIS = "/predict/iris"
BATCH = "/predict/two_inputs/batch"
GOOD_ROW = b'{"age": 30, "income": [100, 50]}'


def nested(depth, opening, closing, inner=b"1"):
    return opening * depth + inner + closing * depth


def in_place(place, value):
    """A body that has `value` in some place, and is good otherwise."""
    return {
        "inputs": b'{"inputs": %b}' % value,
        "input": b'{"inputs": {"age": %b, "income": [100, 50]}}' % value,
        "context": b'{"inputs": %b, "context": {"user_id": %b}}' % (GOOD_ROW, value),
        "ignored": b'{"inputs": %b, "nobody_reads_this": %b}' % (GOOD_ROW, value),
        "before": b'{"nobody_reads_this": %b, "inputs": %b}' % (value, GOOD_ROW),
        "whole": value,
    }[place]


def typed(**changed):
    """A row of typed_inputs in JSON, with values that are JSON text already."""
    row = {key: json.dumps(value) for key, value in TYPED_ROW.items()} | changed
    return ('{"inputs": {' + ", ".join(f'"{k}": {v}' for k, v in row.items()) + "}}").encode()


def age(text):
    return b'{"inputs": {"age": %b, "income": [100, 50]}}' % text


def text_row(literal):
    return b'{"inputs": "%b"}' % literal


CASES = []


def case(name, body, code, *, path=GOOD_PATH, status=400, mentions=()):
    body = body.encode() if isinstance(body, str) else body
    CASES.append(pytest.param(path, body, status, code, mentions, id=name))


for _depth in (101, 1000, 250_000):
    for _place in ("inputs", "input", "context", "ignored", "before", "whole"):
        for _kind, _open, _close in (("list", b"[", b"]"), ("object", b'{"a":', b"}")):
            # A body that is a list is no body, which may be found before its depth is.
            _code = {"TOO_DEEP", "TYPE"} if (_place, _kind) == ("whole", "list") else "TOO_DEEP"
            case(
                f"J1-depth-{_depth}-{_kind}-{_place}",
                in_place(_place, nested(_depth, _open, _close)),
                _code,
            )
case("J1-250000-opening-brackets", b"[" * 250_000, {"TOO_DEEP", "JSON", "TYPE"})
case("J1-250000-opening-objects", b'{"a":' * 250_000, {"TOO_DEEP", "JSON"})
case("J1-mixed", in_place("ignored", nested(60, b'[{"a":', b"}]")), "TOO_DEEP")
case("J1-depth-101-in-batch", b'{"inputs": [%b]}' % nested(100, b"[", b"]"), "TOO_DEEP", path=BATCH)

for _name, _body in {
    "trailing-garbage": GOOD_BODY + b"x",
    "trailing-comma-behind": GOOD_BODY + b",",
    "trailing-brace": GOOD_BODY + b"}",
    "trailing-nul": GOOD_BODY + b"\x00",
    "two-documents": GOOD_BODY + GOOD_BODY,
    "two-documents-by-line": GOOD_BODY + b"\n" + GOOD_BODY,
    "byte-order-mark": b"\xef\xbb\xbf" + GOOD_BODY,
    "utf-16": GOOD_BODY.decode().encode("utf-16"),
    "utf-32": GOOD_BODY.decode().encode("utf-32-le"),
    "line-comment": b"// a comment\n" + GOOD_BODY,
    "block-comment": b'{"inputs": /* a comment */ 1}',
    "hash-comment": b"# a comment\n" + GOOD_BODY,
    "comment-in-ignored": in_place("ignored", b"/**/1"),
    "single-quotes": b"{'inputs': 1}",
    "single-quoted-value": in_place("ignored", b"'a'"),
    "no-quotes": b"{inputs: 1}",
    "comma-before-brace": b'{"inputs": 1,}',
    "comma-before-bracket": b'{"inputs": [1,]}',
    "comma-alone": b'{"inputs": [,]}',
    "two-commas": b'{"inputs": [1,,2]}',
    "no-comma": b'{"inputs": [1 2]}',
    "no-colon": b'{"inputs" 1}',
    "two-colons": b'{"inputs":: 1}',
    "key-alone": b'{"inputs"}',
    "number-for-key": b"{1: 2}",
    "mismatched-brackets": b'{"inputs": [1}',
    "raw-newline-in-string": in_place("ignored", b'"a\nb"'),
    "raw-tab-in-string": in_place("ignored", b'"a\tb"'),
    "raw-nul-in-string": in_place("ignored", b'"a\x00b"'),
    "unknown-escape": in_place("ignored", rb'"\x41"'),
    "half-an-escape": in_place("ignored", rb'"\u12"'),
    "capital-true": in_place("ignored", b"True"),
    "half-of-null": in_place("ignored", b"nul"),
    "longer-than-true": in_place("ignored", b"truex"),
    "undefined": in_place("ignored", b"undefined"),
    "vertical-tab": b'{"inputs":\x0b1}',
    "no-break-space": '{"inputs":\u00a01}'.encode(),
}.items():
    case(f"J2-{_name}", _body, "JSON")

for _name, _body, _path in [
    ("inputs", b'{"inputs": %b, "inputs": %b}' % (GOOD_ROW, GOOD_ROW), GOOD_PATH),
    ("inputs-by-escape", rb'{"inputs": 1, "\u0069nputs": 1}', GOOD_PATH),
    ("input-name", b'{"inputs": {"age": 1, "age": 1, "income": [1, 2]}}', GOOD_PATH),
    ("input-name-apart", b'{"inputs": {"age": 1, "income": [1, 2], "age": 1}}', GOOD_PATH),
    ("priority", b'{"inputs": %b, "priority": 1, "priority": 1}' % GOOD_ROW, GOOD_PATH),
    ("timeout", b'{"timeout": 1, "inputs": %b, "timeout": 2}' % GOOD_ROW, GOOD_PATH),
    ("id", b'{"id": "a", "id": "b", "inputs": %b}' % GOOD_ROW, GOOD_PATH),
    ("ignored", b'{"inputs": %b, "zzz": 1, "zzz": 1}' % GOOD_ROW, GOOD_PATH),
    ("in-ignored", in_place("ignored", b'{"shape": 1, "shape": 1}'), GOOD_PATH),
    ("in-context", in_place("context", b'{"a": 1, "a": 1}'), GOOD_PATH),
    ("in-batch", b'{"inputs": [{"age": 1, "age": 1, "income": [1, 2]}]}', BATCH),
    ("features", b'{"features": [1,2,3,4], "features": [1,2,3,4]}', IRIS),
    ("model-id", b'{"features": [1,2,3,4], "model_id": "iris", "model_id": "iris"}', "/predict"),
    ("instances", b'{"instances": [], "instances": []}', "/predict/iris/batch"),
    ("in-instance", b'{"instances": [{"features": [1], "features": [1]}]}', "/predict/iris/batch"),
    ("empty-key", b'{"inputs": %b, "": 1, "": 2}' % GOOD_ROW, GOOD_PATH),
]:
    case(f"J3-twice-{_name}", _body, "DUPLICATE_KEY", path=_path)

for _token in (
    "NaN",
    "Infinity",
    "-Infinity",
    "nan",
    "inf",
    "-inf",
    "-NaN",
    "+1",
    ".5",
    "5.",
    "01",
    "-01",
    "-",
    "--1",
    "1e",
    "1e+",
    "1.e5",
    "0x10",
    "1_000",
    "1,5",
    "1f",
    "0b1",
):
    case(f"J4-token-{_token}", age(_token.encode()), "JSON")
    case(f"J4-token-{_token}-ignored", in_place("ignored", _token.encode()), "JSON")
for _token in ("1e999", "-1e999", "1e39", "-3.5e38", "1" + "0" * 400, "1e99999999999999999999"):
    case(
        f"J4-overflow-{_token[:8]}-FP32",
        age(_token.encode()),
        {"OUT_OF_RANGE", "JSON"},
    )
for _token in ("1e999", "-1e999", "1e309"):
    case(f"J4-overflow-{_token}-FP64", typed(d=_token), {"OUT_OF_RANGE", "JSON"}, path=TYPED)

for _name, _changed, _code, _input in [
    ("2-to-the-63", {"i64": "[9223372036854775808, 1]"}, "OUT_OF_RANGE", "i64"),
    ("below-2-to-the-63", {"i64": "[-9223372036854775809, 1]"}, "OUT_OF_RANGE", "i64"),
    ("2-to-the-64", {"i64": "[18446744073709551616, 1]"}, {"OUT_OF_RANGE", "JSON"}, None),
    ("30-digits", {"i64": f"[{10**30}, 1]"}, {"OUT_OF_RANGE", "JSON"}, None),
    ("1.5-for-INT64", {"i64": "[1.5, 1]"}, {"TYPE", "OUT_OF_RANGE"}, "i64"),
    ("1e30-for-INT64", {"i64": "[1e30, 1]"}, {"TYPE", "OUT_OF_RANGE"}, "i64"),
    ("text-for-INT64", {"i64": '["1", 1]'}, "TYPE", "i64"),
    ("true-for-INT64", {"i64": "[true, 1]"}, "TYPE", "i64"),
    ("null-for-INT64", {"i64": "[null, 1]"}, "TYPE", "i64"),
    ("object-for-INT64", {"i64": "[{}, 1]"}, {"TYPE", "SHAPE"}, "i64"),
    ("300-for-UINT8", {"u8": "[300, 1]"}, "OUT_OF_RANGE", "u8"),
    ("256-for-UINT8", {"u8": "[1, 256]"}, "OUT_OF_RANGE", "u8"),
    ("minus-1-for-UINT8", {"u8": "[-1, 1]"}, "OUT_OF_RANGE", "u8"),
    ("half-for-UINT8", {"u8": "[0.5, 1]"}, {"TYPE", "OUT_OF_RANGE"}, "u8"),
    ("2-to-the-64-for-UINT8", {"u8": "[18446744073709551615, 1]"}, "OUT_OF_RANGE", "u8"),
    ("text-for-UINT8", {"u8": '"ab"'}, {"TYPE", "SHAPE"}, "u8"),
    ("1-for-BOOL", {"flag": "1"}, "TYPE", "flag"),
    ("0-for-BOOL", {"flag": "0"}, "TYPE", "flag"),
    ("text-for-BOOL", {"flag": '"true"'}, "TYPE", "flag"),
    ("null-for-BOOL", {"flag": "null"}, "TYPE", "flag"),
    ("true-for-FP64", {"d": "true"}, "TYPE", "d"),
    ("text-for-FP64", {"d": '"0.5"'}, "TYPE", "d"),
    ("null-for-FP64", {"d": "null"}, "TYPE", "d"),
]:
    case(f"J5-{_name}", typed(**_changed), _code, path=TYPED, mentions=[_input] if _input else ())
for _name, _value in {"true": b"true", "false": b"false", "text": b'"30"', "null": b"null"}.items():
    case(f"J5-{_name}-for-FP32", age(_value), "TYPE", mentions=["age"])
case("J5-number-for-BYTES", b'{"inputs": 1}', "TYPE", path=TEXT, mentions=["inputs"])
case("J5-true-for-BYTES", b'{"inputs": true}', "TYPE", path=TEXT, mentions=["inputs"])
case("J5-null-for-BYTES", b'{"inputs": null}', "TYPE", path=TEXT, mentions=["inputs"])
for _name, _field in {
    "priority-1.5": b'"priority": 1.5',
    "priority-text": b'"priority": "high"',
    "priority-2-to-the-40": b'"priority": 1099511627776',
    "priority-null": b'"priority": []',
    "timeout-negative": b'"timeout": -1',
    "timeout-text": b'"timeout": "1"',
    "timeout-true": b'"timeout": true',
    "timeout-1e999": b'"timeout": 1e999',
    "id-number": b'"id": 5',
    "id-list": b'"id": ["a"]',
    "context-list": b'"context": []',
    "version-list": b'"version": [1]',
    "top_k-0": b'"top_k": 0',
    "top_k-negative": b'"top_k": -1',
    "top_k-half": b'"top_k": 0.5',
    "model_id-number": b'"model_id": 5',
}.items():
    case(
        f"J5-field-{_name}",
        b'{"inputs": %b, %b}' % (GOOD_ROW, _field),
        {"FIELD", "TYPE", "OUT_OF_RANGE", "JSON", "NAME"},
    )
for _name, _field in {"0": b"0", "negative": b"-1", "text": b'"2"', "half": b"0.5"}.items():
    case(
        f"J5-field-max_parallelism-{_name}",
        b'{"instances": [{"features": [1,2,3,4]}], "max_parallelism": %b}' % _field,
        {"FIELD", "TYPE", "OUT_OF_RANGE"},
        path="/predict/iris/batch",
    )

NOT_UTF8 = {
    "lone-byte": b"\xff",
    "lone-continuation": b"\x80",
    "cut-in-two": b"\xc5",
    "cut-in-three": b"\xe2\x82",
    "overlong-slash": b"\xc0\xaf",
    "overlong-nul": b"\xc0\x80",
    "overlong-in-three": b"\xe0\x80\xaf",
    "surrogate": b"\xed\xa0\x80",
    "beyond-unicode": b"\xf4\x90\x80\x80",
    "latin-1": b"caf\xe9",
    "five-bytes": b"\xf8\x88\x80\x80\x80",
}
SURROGATES = {
    "lone-high": rb"\ud800",
    "lone-low": rb"\udc00",
    "swapped": rb"\udc00\ud800",
    "high-high": rb"\ud800\ud800",
    "high-then-letter": rb"\ud800a",
    "high-at-end": rb"a\udbff",
}
for _name, _literal in (NOT_UTF8 | SURROGATES).items():
    case(f"J6-{_name}-in-BYTES", text_row(_literal), "JSON", path=TEXT)
    case(f"J6-{_name}-in-ignored", in_place("ignored", b'"%b"' % _literal), "JSON")
    case(f"J6-{_name}-in-ignored-key", in_place("ignored", b'{"%b": 1}' % _literal), "JSON")
    case(f"J6-{_name}-in-input-name", b'{"inputs": {"%b": 1}}' % _literal, "JSON")
    case(
        f"J6-{_name}-in-model-id",
        b'{"features": [1], "model_id": "%b"}' % _literal,
        "JSON",
        path="/predict",
    )
for _name, _literal in {
    "nul": rb"\u0000",
    "nul-within": rb"iris\u0000x",
    "newline": rb"iris\nx",
    "dots": b"..",
    "slash": b"a/b",
    "absolute": b"/a",
    "empty": b"",
    "space": b"a b",
    "129-letters": b"a" * 129,
    "accents": "wątek".encode(),
    "escape": rb"\u001b[2J",
}.items():
    case(
        f"J6-model-id-{_name}",
        b'{"features": [1,2,3,4], "model_id": "%b"}' % _literal,
        {"NAME", "FIELD"},
        path="/predict",
    )
    case(
        f"J6-version-{_name}",
        b'{"features": [1,2,3,4], "version": "%b"}' % _literal,
        {"NAME", "FIELD"},
        path=IRIS,
    )
    case(
        f"J6-input-name-{_name}",
        b'{"inputs": {"%b": 1, "income": [1, 2]}}' % _literal,
        {"UNKNOWN_INPUT", "NAME"},
    )

for _name, _body in {
    "empty": b"",
    "spaces": b"   \r\n",
    "null": b"null",
    "list": b"[]",
    "empty-object": b"{}",
    "text": b'"inputs"',
    "number": b"1",
    "true": b"true",
    "list-of-bodies": b"[%b]" % GOOD_BODY,
    "no-dialect": b'{"input": 1}',
    "dialect-in-capitals": b'{"INPUTS": 1}',
    "two-dialects": b'{"inputs": %b, "features": [1]}' % GOOD_ROW,
    "three-dialects": b'{"inputs": 1, "features": [1], "instances": [1]}',
    "inputs-null": b'{"inputs": null}',
    "features-null": b'{"features": null}',
    "instances-null": b'{"instances": null}',
    "instances-object": b'{"instances": {}}',
    "features-text": b'{"features": "abcd"}',
    "instances-number": b'{"instances": 4}',
}.items():
    case(f"J8-{_name}", _body, None)
    if _name not in ("inputs-null", "two-dialects"):
        case(f"J8-{_name}-in-batch", _body, None, path=BATCH)
case("J8-batch-inputs-null", b'{"inputs": null}', None, path=BATCH)
case("J8-batch-inputs-object", b'{"inputs": %b}' % GOOD_ROW, None, path=BATCH)
case("J8-batch-inputs-number", b'{"inputs": 5}', None, path=BATCH)


@pytest.mark.parametrize("path,body,status,code,mentions", CASES)
def test_bad_body_is_refused_and_the_connection_goes_on(server, path, body, status, code, mentions):
    with server.connect() as connection:
        response = connection.send(wire.post(path, body)).response()
        wire.assert_error(response, status, code, mentions)
        assert result_of(connection.send(GOOD_REQUEST).response()) == server.good_result


@pytest.mark.parametrize(
    "path,body",
    [
        (GOOD_PATH, GOOD_BODY),
        (
            BATCH,
            b'{"inputs": [%b, %b], "id": "\\u00e9\xc3\xa9", "timeout": 1.5e0}'
            % (GOOD_ROW, GOOD_ROW),
        ),
        (TYPED, typed()),
        (
            "/predict/iris/batch",
            b'{"instances": [{"features": [1, 2, 3.5, -4e-1]}], "context": {}}',
        ),
    ],
    ids=["J2-inputs", "J2-batch", "J2-types", "J2-instances"],
)
def test_cut_at_every_byte(server, path, body):
    with server.connect() as connection:
        assert connection.send(wire.post(path, body)).response().status == 200
        for end in range(1, len(body)):
            response = connection.send(wire.post(path, body[:end])).response()
            wire.assert_error(response, 400, "JSON")


def test_J2_every_byte_replaced(server):
    """Another byte anywhere: an answer or a refusal, never anything else."""
    with server.connect() as connection:
        for at in range(len(GOOD_BODY)):
            for byte in (b"\x00", b'"', b"\\", b"{", b"]", b"9", b"\xff", b"e"):
                body = GOOD_BODY[:at] + byte + GOOD_BODY[at + 1 :]
                response = connection.send(wire.post(GOOD_PATH, body)).response()
                if response.status != 200:
                    wire.assert_error(response, 400)


def test_J1_as_deep_as_allowed(server):
    """A hundred levels with the body's own."""
    for opening, closing in ((b"[", b"]"), (b'{"a":', b"}")):
        response = server.send(
            wire.post(GOOD_PATH, in_place("ignored", nested(99, opening, closing)))
        )
        if (
            response.status != 200
        ):  # a server may refuse keys that it does not know, not their depth
            assert wire.assert_error(response, 400)["code"] != "TOO_DEEP"
    response = server.send(wire.post(GOOD_PATH, in_place("ignored", nested(99, b"[", b"]", b"[]"))))
    wire.assert_error(response, 400, "TOO_DEEP")


def test_J1_brackets_in_texts_are_not_depth(server):
    body = in_place("ignored", b'"' + b"[" * 5000 + rb"\"" + b"{" * 5000 + b'"')
    response = server.send(wire.post(GOOD_PATH, body))
    if response.status != 200:
        assert wire.assert_error(response, 400)["code"] not in ("TOO_DEEP", "JSON")


def test_J4_minus_zero_and_tiny_numbers_are_kept(server):
    def y(text):
        answer = server.send(wire.post("/predict/nan_output", b'{"inputs": %b}' % text))
        assert answer.status == 200, answer.body
        return re.search(rb'"y":\[([^]]*)\]', answer.body)[1].decode()

    for text in (b"-0", b"-0.0", b"-0e5", b"-1e-999"):
        # As text: Python, for one, reads -0 as an integer, which has no sign then.
        assert y(text) in ("-0", "-0.0"), text
    assert y(b"0") in ("0", "0.0")
    assert float(y(b"1e-999")) == 0
    assert float(y(b"1e-45")) == 1e-45  # the smallest FP32 there is
    assert float(y(b"3.4028234e38")) == 3.4028235e38


def test_J5_largest_numbers_keep_every_bit(server):
    row = {"i64": [-(2**63), 2**63 - 1], "u8": [0, 255], "flag": False, "d": 1.7976931348623157e308}
    result = server.predict(TYPED, {"inputs": row})["result"]
    assert numbers(result["i64_out"]) == row["i64"]
    assert numbers(result["u8_out"]) == row["u8"]
    assert numbers(result["d_out"]) == [row["d"]]
    assert numbers(result["flag_out"]) == [False]
    row["i64"] = [2**53 + 1, -(2**53) - 1]
    result = server.predict(TYPED, {"inputs": row})["result"]
    assert numbers(result["i64_out"]) == row["i64"]


ROUND_TRIPS = [
    "",
    "a",
    "żółty",
    "a\u0000b",
    "\u0000",
    "\U0001f600",
    '\n\r\t\b\f"\\/',
    "\u2028\u2029",
    "\x7f\x80",
    "\ufeff",
    "\ufffe",
    "é" * 10_000,
]


@pytest.mark.parametrize("text", ROUND_TRIPS, ids=lambda text: f"J6-{ascii(text[:5])}")
def test_text_comes_back_as_it_went(server, text):
    for literal in {json.dumps(text), json.dumps(text, ensure_ascii=False)}:
        response = server.send(wire.post(TEXT, b'{"inputs": %b}' % literal.encode()))
        assert response.status == 200, response.body[:300]
        assert numbers(response.json()["result"]["echo"]) == [text]


LARGE = {
    "J7-64-MB-of-zeros": (lambda n: b'{"inputs": [' + b"0," * (n // 2 - 10) + b"0]}", 64_000_000),
    "J7-empty-objects": (lambda n: b'{"inputs": [' + b"{}," * n + b"{}]}", 1_000_000),
    "J7-empty-lists": (lambda n: b'{"inputs": [' + b"[]," * n + b"[]]}", 1_000_000),
    "J7-empty-texts": (lambda n: b'{"inputs": [' + b'"",' * n + b'""]}', 1_000_000),
    "J7-key-of-10-MB": (lambda n: b'{"inputs": 1, "' + b"k" * n + b'": 1}', 10_000_000),
    "J7-input-name-of-10-MB": (lambda n: b'{"inputs": {"' + b"k" * n + b'": 1}}', 10_000_000),
    "J7-text-of-10-MB": (lambda n: b'{"inputs": "' + b"k" * n + b'"}', 10_000_000),
    "J7-number-of-10-MB": (lambda n: b'{"inputs": {"age": 1' + b"0" * n + b"}}", 10_000_000),
    "J7-fraction-of-10-MB": (lambda n: b'{"inputs": {"age": 0.' + b"1" * n + b"}}", 10_000_000),
    "J7-spaces": (lambda n: b'{"inputs": ' + b" " * n + b"{}}", 60_000_000),
    "J7-escapes": (lambda n: b'{"inputs": "' + rb"\u0041" * n + b'"}', 2_000_000),
    "J7-unknown-keys": (
        lambda n: b'{"inputs": 1' + b"".join(b', "k%d": 0' % i for i in range(n)) + b"}",
        1_000_000,
    ),
    "J7-unknown-inputs": (
        lambda n: b'{"inputs": {"a": 1' + b"".join(b', "k%d": 0' % i for i in range(n)) + b"}}",
        1_000_000,
    ),
    "J7-keys-in-ignored": (
        lambda n: (
            b'{"inputs": 1, "z": {"a": 1' + b"".join(b',"k%d":0' % i for i in range(n)) + b"}}"
        ),
        1_000_000,
    ),
    "J7-names-in-context": (
        lambda n: (
            b'{"inputs": 1, "context": {"a": 1'
            + b"".join(b',"k%d":0' % i for i in range(n))
            + b"}}"
        ),
        100_000,
    ),
}


def cpu_seconds_for(server, connection, data):
    """The server's own time: what else the machine does must not fail a test."""
    begin = server.cpu_seconds()
    response = connection.send(data).response()
    return server.cpu_seconds() - begin, response


@pytest.mark.parametrize("make,count", LARGE.values(), ids=LARGE.keys())
def test_large_and_useless_body_costs_no_more_than_its_size(server, make, count):
    quarter, whole = make(count // 4), make(count)
    server.forget_peak()
    before = server.resident_bytes()
    with server.connect() as connection:
        first, response = cpu_seconds_for(server, connection, wire.post(GOOD_PATH, quarter))
        wire.assert_error(response, {400, 413})
        taken, response = cpu_seconds_for(server, connection, wire.post(GOOD_PATH, whole))
        wire.assert_error(response, {400, 413})
        server.assert_grew_less_than(4 * len(whole) + (4 << 20), before, peak=True)
        assert connection.send(GOOD_REQUEST).response().status == 200
    # Linear would be 4; small times are mostly the clock's ticks.
    assert taken < 8 * first + (1 if is_sanitized() else 0.3), (
        f"{first:.3f} s for a quarter, {taken:.3f} s for the whole"
    )
    assert taken < (15 if is_sanitized() else 3)


@pytest.mark.parametrize(
    "kind,status",
    [
        ("text/plain", 415),
        ("", 415),
        ("application/xml", 415),
        ("application/jsonx", 415),
        ("json", 415),
        ("application/x-www-form-urlencoded", 415),
        ("multipart/form-data", 415),
        ("text/json", 415),
        ("application/", 415),
        (";charset=utf-8", 415),
        ("a" * 2000, 415),
        ("application/json", 200),
        ("APPLICATION/JSON", 200),
        ("application/json; charset=utf-8", 200),
        ('application/json;charset="UTF-8"', 200),
        ("application/json ; a=b", 200),
    ],
    ids=lambda value: f"J8-{value[:40] or 'none'}" if isinstance(value, str) else str(value),
)
def test_content_type(server, kind, status):
    with server.connect() as connection:
        response = connection.send(wire.post(GOOD_PATH, GOOD_BODY, kind=kind)).response()
        if status == 415:
            wire.assert_error(response, 415, "UNSUPPORTED_MEDIA_TYPE")
        else:
            assert response.status == status
        assert connection.send(GOOD_REQUEST).response().status == 200


LIMIT = 64 << 20


def test_J9_text_beyond_the_limit_is_refused_by_its_size(server):
    body = b'{"inputs": "' + b"a" * LIMIT + b'"}'
    with server.connect() as connection:
        response = connection.send(wire.post(TEXT, body)).response()
        wire.assert_error(response, 413, "BODY_TOO_LARGE", [str(LIMIT), str(len(body))])
        connection.assert_ends()


def test_J9_decoded_size_counts_not_the_written_one(server):
    """A million escapes are six million bytes of JSON and one million of text."""
    response = server.send(wire.post(TEXT, b'{"inputs": "' + rb"\u0041" * 1_000_000 + b'"}'))
    assert response.status == 200, response.body[:300]
    assert numbers(response.json()["result"]["echo"]) == ["A" * 1_000_000]


def test_J9_base64_is_no_dialect_of_these_models(server):
    response = server.send(wire.post(GOOD_PATH, {"image": "AAAA" * 1000}))
    wire.assert_error(response, 400)
