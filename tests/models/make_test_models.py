#!/usr/bin/env python3
"""Makes the models that only the tests use, and expected.json.

    pip install -r ../../examples/models/requirements.txt
    python make_test_models.py [--out DIR] [--examples DIR]

expected.json holds what ONNX Runtime's own Python API (CPU, one thread) answers
for these models and for the example models; README.md says how to read it.
"""

import argparse
import json
import math
import os
from pathlib import Path

import numpy as np
import onnx

# The runtime reports to its makers unless told not to before it is loaded.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType
from sklearn.datasets import load_breast_cancer, load_digits, load_iris
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

OPSET = 17
OPSET_ML = 3
IR_VERSION = 8
FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64

# Scalar steps, so the time hardly depends on the number of cores or on N.
SLOW_STEPS = 60_000
MARK = -999.0

node = helper.make_node
value = helper.make_tensor_value_info


def constant(name, array, dtype=np.float32):
    return numpy_helper.from_array(np.ascontiguousarray(array, dtype=dtype), name)


def build(name, nodes, inputs, outputs, constants=()):
    graph = helper.make_graph(nodes, name, inputs, outputs, list(constants))
    opsets = [helper.make_opsetid("", OPSET)]
    if any(n.domain == "ai.onnx.ml" for n in nodes):
        opsets.append(helper.make_opsetid("ai.onnx.ml", OPSET_ML))
    model = helper.make_model(graph, opset_imports=opsets, producer_name="muster-tests")
    model.ir_version = IR_VERSION
    return model


def string_input():
    encoder = node(
        "LabelEncoder",
        ["text"],
        ["code"],
        domain="ai.onnx.ml",
        keys_strings=["red", "green", "blue", "żółty"],
        values_int64s=[0, 1, 2, 3],
        default_int64=-1,
    )
    return build(
        "string_input",
        [encoder, node("Identity", ["text"], ["echo"])],
        [value("text", TensorProto.STRING, ["N", 1])],
        [value("code", INT64, ["N", 1]), value("echo", TensorProto.STRING, ["N", 1])],
    )


def two_inputs():
    return build(
        "two_inputs",
        [
            node("Mul", ["age", "half"], ["age_part"]),
            node("ReduceSum", ["income", "axis"], ["income_sum"], keepdims=1),
            node("Mul", ["income_sum", "quarter"], ["income_part"]),
            node("Add", ["age_part", "income_part"], ["score"]),
        ],
        [value("age", FLOAT, ["N", 1]), value("income", FLOAT, ["N", 2])],
        [value("score", FLOAT, ["N", 1])],
        [
            constant("half", 0.5),
            constant("quarter", 0.25),
            constant("axis", [1], np.int64),
        ],
    )


def typed_inputs():
    tensors = [
        ("i64", INT64, ["N", 2]),
        ("u8", TensorProto.UINT8, ["N", 2]),
        ("flag", TensorProto.BOOL, ["N", 1]),
        ("d", TensorProto.DOUBLE, ["N", 1]),
    ]
    return build(
        "typed_inputs",
        [node("Identity", [name], [name + "_out"]) for name, _, _ in tensors],
        [value(*tensor) for tensor in tensors],
        [value(name + "_out", kind, shape) for name, kind, shape in tensors],
    )


def doubled(name, rows):
    return build(
        name,
        [node("Mul", ["x", "two"], ["y"])],
        [value("x", FLOAT, [rows, 3])],
        [value("y", FLOAT, [rows, 3])],
        [constant("two", 2.0)],
    )


def colors():
    # Ten times how far the mean of each channel is from that of the others; what is grey scores 1.
    weights = np.array([[10, -5, -5], [-5, 10, -5], [-5, -5, 10], [0, 0, 0]], dtype=np.float32)
    return build(
        "colors",
        [
            node("ReduceMean", ["picture"], ["means"], axes=[2, 3], keepdims=0),
            node("Gemm", ["means", "weights", "bias"], ["logits"], transB=1),
        ],
        [value("picture", FLOAT, ["N", 3, 8, 8])],
        [value("logits", FLOAT, ["N", 4])],
        [
            numpy_helper.from_array(weights, "weights"),
            numpy_helper.from_array(np.array([0, 0, 0, 1], dtype=np.float32), "bias"),
        ],
    )


def doubling():
    return doubled("doubling", "N")


def fixed_batch():
    return doubled("fixed_batch", 4)


def fixed_one():
    return doubled("fixed_one", 1)


def fails_on_marked_row():
    # A marked row asks Reshape for one row more than there are. Reshape checks that on
    # every execution provider; a Gather out of bounds goes unnoticed on CUDA.
    return build(
        "fails_on_marked_row",
        [
            node("Mul", ["x", "two"], ["doubled"]),
            node("Gather", ["x", "first_column"], ["first"], axis=1),
            node("Equal", ["first", "mark"], ["is_marked"]),
            node("Cast", ["is_marked"], ["is_marked_int"], to=INT64),
            node("ReduceSum", ["is_marked_int", "first_axis"], ["marked_rows"], keepdims=0),
            node("Concat", ["marked_rows", "no_columns"], ["too_many"], axis=0),
            node("Shape", ["x"], ["shape"]),
            node("Add", ["shape", "too_many"], ["asked_shape"]),
            node("Reshape", ["doubled", "asked_shape"], ["y"]),
        ],
        [value("x", FLOAT, ["N", 3])],
        [value("y", FLOAT, ["N", 3])],
        [
            constant("two", 2.0),
            constant("mark", MARK),
            constant("first_column", [0], np.int64),
            constant("first_axis", [0], np.int64),
            constant("no_columns", [0], np.int64),
        ],
    )


def mixes_rows():
    return build(
        "mixes_rows",
        [node("Softmax", ["x"], ["y"], axis=0)],
        [value("x", FLOAT, ["N", 3])],
        [value("y", FLOAT, ["N", 3])],
    )


def iris_with_zipmap(name, target):
    fitted = LogisticRegression(C=10.0, max_iter=2000, tol=1e-8)
    fitted.fit(load_iris().data.astype(np.float32), target)
    model = convert_sklearn(
        fitted,
        name=name,
        initial_types=[("features", FloatTensorType([None, 4]))],
        target_opset={"": OPSET, "ai.onnx.ml": OPSET_ML},
    )
    # The converter may name a set twice, which some readers refuse, or one older than asked.
    opsets = {opset.domain: opset.version for opset in model.opset_import} | {"": OPSET}
    del model.opset_import[:]
    model.opset_import.extend(helper.make_opsetid(*opset) for opset in sorted(opsets.items()))
    for tensor in [model.graph.input[0], model.graph.output[0]]:
        tensor.type.tensor_type.shape.dim[0].dim_param = "N"
    return model


def bits_by_size():
    # y = x · (1 + N · 2⁻²³): other last bits for each size of a run, as of a backend that adds in
    # another order for each.
    return build(
        "bits_by_size",
        [
            node("Shape", ["x"], ["shape"]),
            node("Gather", ["shape", "first"], ["rows"], axis=0),
            node("Cast", ["rows"], ["rows_float"], to=FLOAT),
            node("Mul", ["rows_float", "last_bit"], ["little"]),
            node("Add", ["little", "one"], ["about_one"]),
            node("Mul", ["x", "about_one"], ["y"]),
        ],
        [value("x", FLOAT, ["N", 3])],
        [value("y", FLOAT, ["N", 3])],
        [
            constant("first", [0], np.int64),
            constant("last_bit", [2.0**-23]),
            constant("one", [1.0]),
        ],
    )


def zipmap():
    return iris_with_zipmap("zipmap", load_iris().target)


def zipmap_strings():
    iris = load_iris()
    return iris_with_zipmap("zipmap_strings", iris.target_names[iris.target])


def dynamic_shape():
    return build(
        "dynamic_shape",
        [node("ReduceSum", ["x", "axis"], ["sum"], keepdims=1)],
        [value("x", FLOAT, ["N", "L"])],
        [value("sum", FLOAT, ["N", 1])],
        [constant("axis", [1], np.int64)],
    )


def slow():
    # sqrt(1) = 1 over and over: y is x to the bit. The 1 is made from x, so that the
    # loop cannot be computed when the model is loaded.
    body = helper.make_graph(
        [node("Sqrt", ["one_in"], ["one_out"]), node("Identity", ["go_in"], ["go_out"])],
        "step",
        [
            value("step", INT64, []),
            value("go_in", TensorProto.BOOL, []),
            value("one_in", FLOAT, []),
        ],
        [value("go_out", TensorProto.BOOL, []), value("one_out", FLOAT, [])],
    )
    return build(
        "slow",
        [
            node("ReduceSum", ["x"], ["total"], keepdims=0),
            node("Mul", ["total", "zero"], ["nothing"]),
            node("Add", ["nothing", "one"], ["first_one"]),
            node("Loop", ["steps", "", "first_one"], ["last_one"], body=body),
            node("Mul", ["x", "last_one"], ["y"]),
        ],
        [value("x", FLOAT, ["N", 1])],
        [value("y", FLOAT, ["N", 1])],
        [
            numpy_helper.from_array(np.array(SLOW_STEPS, dtype=np.int64), "steps"),
            numpy_helper.from_array(np.array(0, dtype=np.float32), "zero"),
            numpy_helper.from_array(np.array(1, dtype=np.float32), "one"),
        ],
    )


def nan_output():
    return build(
        "nan_output",
        [node("Identity", ["x"], ["y"]), node("Log", ["x"], ["log"])],
        [value("x", FLOAT, ["N", 1])],
        [value("y", FLOAT, ["N", 1]), value("log", FLOAT, ["N", 1])],
    )


def replaced_example():
    return build(
        "replaced_example",
        [
            node("Gemm", ["petal_length", "weight", "bias"], ["logits"]),
            node("Softmax", ["logits"], ["probabilities"], axis=-1),
        ],
        [value("petal_length", FLOAT, ["N", 1])],
        [value("probabilities", FLOAT, ["N", 3])],
        # About the example's answers with the first and the last class exchanged.
        [constant("weight", [[4.0, 0.5, -4.5]]), constant("bias", [-16.0, 1.0, 15.0])],
    )


def wrong_rows():
    # The axis (always 0) comes from x: if it were a constant, ONNX Runtime would find the
    # true shape [1, 3] at load and report that in place of the claim.
    return build(
        "wrong_rows",
        [
            node("ReduceSum", ["x"], ["total"], keepdims=0),
            node("Mul", ["total", "zero"], ["nothing"]),
            node("Cast", ["nothing"], ["axis"], to=INT64),
            node("ReduceSum", ["x", "axis"], ["y"], keepdims=1),
        ],
        [value("x", FLOAT, ["N", 3])],
        [value("y", FLOAT, ["N", 3])],
        [constant("zero", [0.0])],
    )


def f32(rows):
    return np.array(rows, dtype=np.float32)


def spread_rows(rows):
    """Five real rows from the whole of a data set, not five of one class."""
    return rows[:: len(rows) // 5][:5].astype(np.float32)


THREE_BY_THREE = f32([[1, 2, 3], [-4, 5.5, 6], [0, 0.25, -8]])
IRIS_ROWS = spread_rows(load_iris().data)

EXAMPLE_INPUTS = {
    "example": {"petal_length": f32([[1], [2], [3], [4], [5]])},
    "iris": {"features": IRIS_ROWS},
    "breast_cancer": {"features": spread_rows(load_breast_cancer().data)},
    "breast_cancer_mlp": {"features": spread_rows(load_breast_cancer().data)},
    "digits": {"image": spread_rows(load_digits().images[:, None, :, :])},
}

TESTS = {
    string_input: {"text": np.array([["green"], ["none such"], [""], ["żółty"]], dtype=object)},
    two_inputs: {"age": f32([[30], [41], [7]]), "income": f32([[100, 50], [3, 8], [0, 1]])},
    typed_inputs: {
        # 2**53 + 1 is lost by whoever keeps numbers as doubles.
        "i64": np.array([[9007199254740993, -1], [-(2**63), 2**63 - 1]], dtype=np.int64),
        "u8": np.array([[0, 255], [7, 128]], dtype=np.uint8),
        "flag": np.array([[True], [False]]),
        "d": np.array([[0.1], [1e300]]),
    },
    colors: {"picture": np.arange(192, dtype=np.float32).reshape(1, 3, 8, 8) / 192},
    doubling: {"x": f32([[1, 2, 3], [4, 5, 6], [7, 8, 9], [-1, 0, 0.5]])},
    fixed_batch: {"x": f32([[1, 2, 3], [4, 5, 6], [7, 8, 9], [-1, 0, 0.5]])},
    fixed_one: {"x": f32([[1, 2, 3]])},
    fails_on_marked_row: {"x": THREE_BY_THREE},
    mixes_rows: {"x": THREE_BY_THREE},
    bits_by_size: {"x": THREE_BY_THREE},
    zipmap: {"features": IRIS_ROWS},
    zipmap_strings: {"features": IRIS_ROWS},
    dynamic_shape: {"x": f32([[1, 2, 3, 4], [-1, 0.5, 8, 0]])},
    slow: {"x": f32([[1.5], [-2], [0]])},
    nan_output: {"x": f32([[1], [0], [-1]])},
    replaced_example: {"petal_length": f32([[1], [2], [3], [4], [5]])},
    wrong_rows: {"x": THREE_BY_THREE},
}

# One row at a time means nothing, or cannot be run, or is another question.
NOT_ROW_BY_ROW = {"fixed_batch", "wrong_rows"}

FAILING_INPUTS = {
    "fails_on_marked_row": [
        {"x": f32([[MARK, 0, 0]])},
        {"x": f32([[i, 1, 2] for i in range(5)] + [[MARK, 1, 2]] + [[6, 1, 2], [7, 1, 2]])},
    ]
}


def plain(data):
    """To what JSON can say; a float32 gets its shortest digits, not those of its double."""
    if isinstance(data, np.ndarray):
        return [plain(item) for item in data]
    if isinstance(data, list):
        return [plain(item) for item in data]
    if isinstance(data, dict):
        return {str(key): plain(item) for key, item in data.items()}
    if isinstance(data, (np.bool_, bool)):
        return bool(data)
    if isinstance(data, np.integer):
        return int(data)
    if isinstance(data, np.float32):
        data = float(str(data))
    if isinstance(data, float):
        if math.isnan(data):
            return "NaN"
        if math.isinf(data):
            return "Infinity" if data > 0 else "-Infinity"
        return float(data)
    return data


def plain_map(data):
    """ZipMap's Python values are float32 given as doubles."""
    return [{key: np.float32(p) for key, p in row.items()} for row in data]


def run(session, inputs):
    names = [output.name for output in session.get_outputs()]
    answers = session.run(names, inputs)
    return {
        name: plain(plain_map(a) if isinstance(a, list) and isinstance(a[0], dict) else a)
        for name, a in zip(names, answers, strict=True)
    }


def expected(path, name, inputs):
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4  # one run fails on purpose
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    case = {"inputs": {k: plain(v) for k, v in inputs.items()}, "outputs": run(session, inputs)}
    if name not in NOT_ROW_BY_ROW:
        rows = len(next(iter(inputs.values())))
        singles = [run(session, {k: v[i : i + 1] for k, v in inputs.items()}) for i in range(rows)]
        case["outputs_single"] = {
            output: [row for single in singles for row in single[output]] for output in singles[0]
        }
    for failing in FAILING_INPUTS.get(name, []):
        try:
            run(session, failing)
        except Exception:
            plain_failing = {k: plain(v) for k, v in failing.items()}
            case.setdefault("failing_inputs", []).append(plain_failing)
        else:
            raise SystemExit(f"{name}: should have failed")
    return case


def dump(cases):
    """One line for each tensor: whole-file indentation would put each number on its own line."""
    text = []
    for name, case in cases.items():
        parts = []
        for key, part in case.items():
            if isinstance(part, list):
                lines = ",\n".join("      " + json.dumps(p, ensure_ascii=False) for p in part)
                parts.append(f'    "{key}": [\n{lines}\n    ]')
            else:
                lines = ",\n".join(
                    f'      "{k}": ' + json.dumps(v, ensure_ascii=False, allow_nan=False)
                    for k, v in part.items()
                )
                parts.append(f'    "{key}": {{\n{lines}\n    }}')
        text.append(f'  "{name}": {{\n' + ",\n".join(parts) + "\n  }")
    return "{\n" + ",\n".join(text) + "\n}\n"


def main():
    here = Path(__file__).resolve().parent
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=here)
    parser.add_argument("--examples", type=Path, default=here.parents[1] / "examples" / "models")
    arguments = parser.parse_args()
    cases = {}
    for name, inputs in EXAMPLE_INPUTS.items():
        cases[name] = expected(arguments.examples / name / "1" / "model.onnx", name, inputs)
    for maker, inputs in TESTS.items():
        name = maker.__name__
        # One thread: sums in another order would give other weights.
        with threadpool_limits(1):
            model = maker()
        onnx.checker.check_model(model, full_check=True)
        path = arguments.out / name / "1" / "model.onnx"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(model.SerializeToString(deterministic=True))
        cases[name] = expected(path, name, inputs)
        print(f"{name}: {path.stat().st_size} bytes")
    (arguments.out / "expected.json").write_text(dump(cases), encoding="utf-8")


if __name__ == "__main__":
    main()
