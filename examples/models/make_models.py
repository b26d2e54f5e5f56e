#!/usr/bin/env python3
"""Makes the example models from scikit-learn's bundled data sets.

    pip install -r requirements.txt
    python make_models.py [--out DIR] [MODEL ...]

Writes DIR/<model>/1/model.onnx and prints the size and the accuracy, measured
with ONNX Runtime on the file as written, on a held-out part of the data.
"""

import argparse
import os
import warnings
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
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

# Old enough for every ONNX Runtime since 1.14, new enough to need no workaround.
OPSET = 17
OPSET_ML = 3
IR_VERSION = 8

SEED = 0
TEST_SHARE = 0.3


def split(data, target):
    return train_test_split(
        data.astype(np.float32), target, test_size=TEST_SHARE, random_state=SEED, stratify=target
    )


def value(name, elem_type, shape):
    return helper.make_tensor_value_info(name, elem_type, shape)


def constant(name, array, dtype=np.float32):
    return numpy_helper.from_array(np.ascontiguousarray(array, dtype=dtype), name)


def build(name, nodes, inputs, outputs, constants):
    graph = helper.make_graph(nodes, name, inputs, outputs, constants)
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="muster-examples"
    )
    model.ir_version = IR_VERSION
    return model


def from_sklearn(name, classifier, features):
    """Converts a classifier; the batch dimension is named N, outputs label and probabilities."""
    model = convert_sklearn(
        classifier,
        name=name,  # the default is a random one, and the bytes would differ each time
        initial_types=[("features", FloatTensorType([None, features]))],
        options={"zipmap": False},
        target_opset={"": OPSET, "ai.onnx.ml": OPSET_ML},
    )
    name_each_opset_once(model)
    rename_outputs(model, ["label", "probabilities"])
    classes = len(classifier.classes_)
    del model.graph.input[:], model.graph.output[:]
    model.graph.input.append(value("features", TensorProto.FLOAT, ["N", features]))
    model.graph.output.extend(
        [
            value("label", TensorProto.INT64, ["N"]),
            value("probabilities", TensorProto.FLOAT, ["N", classes]),
        ]
    )
    return model


def name_each_opset_once(model):
    """The converter may name a set twice, which some readers refuse, or one older than asked."""
    opsets = {opset.domain: opset.version for opset in model.opset_import} | {"": OPSET}
    del model.opset_import[:]
    model.opset_import.extend(helper.make_opsetid(*opset) for opset in sorted(opsets.items()))


def rename_outputs(model, names):
    renamed = {old.name: new for old, new in zip(model.graph.output, names, strict=True)}
    # The converter uses the same plain words inside the graph; move those aside.
    inner = {new: "inner_" + new for new in names if new not in renamed}
    mapping = inner | renamed
    for node in model.graph.node:
        node.input[:] = [mapping.get(n, n) for n in node.input]
        node.output[:] = [mapping.get(n, n) for n in node.output]


def dense_layers(first_input, weights, biases):
    """ReLU between the layers and softmax at the end; gives nodes and constants."""
    nodes, constants, current = [], [], first_input
    last = len(weights) - 1
    for i, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
        constants += [constant(f"weight{i}", weight), constant(f"bias{i}", bias)]
        nodes.append(helper.make_node("Gemm", [current, f"weight{i}", f"bias{i}"], [f"dense{i}"]))
        current = f"dense{i}"
        if i != last:
            nodes.append(helper.make_node("Relu", [current], [f"relu{i}"]))
            current = f"relu{i}"
    nodes.append(helper.make_node("Softmax", [current], ["probabilities"], axis=-1))
    return nodes, constants


def make_example():
    iris = load_iris()
    x, x_test, y, y_test = split(iris.data[:, 2:3], iris.target)
    fitted = LogisticRegression(C=10.0, max_iter=2000, tol=1e-8).fit(x.astype(np.float64), y)
    nodes, constants = dense_layers("petal_length", [fitted.coef_.T], [fitted.intercept_])
    model = build(
        "example",
        nodes,
        [value("petal_length", TensorProto.FLOAT, ["N", 1])],
        [value("probabilities", TensorProto.FLOAT, ["N", 3])],
        constants,
    )
    return model, x_test, y_test


def make_iris():
    iris = load_iris()
    x, x_test, y, y_test = split(iris.data, iris.target)
    fitted = LogisticRegression(C=10.0, max_iter=2000, tol=1e-8).fit(x, y)
    return from_sklearn("iris", fitted, 4), x_test, y_test


def make_breast_cancer():
    cancer = load_breast_cancer()
    x, x_test, y, y_test = split(cancer.data, cancer.target)
    fitted = GradientBoostingClassifier(n_estimators=200, max_depth=3, random_state=SEED).fit(x, y)
    return from_sklearn("breast_cancer", fitted, 30), x_test, y_test


def make_breast_cancer_mlp():
    cancer = load_breast_cancer()
    x, x_test, y, y_test = split(cancer.data, cancer.target)
    scaler = StandardScaler().fit(x.astype(np.float64))
    fitted = MLPClassifier((256, 256, 64), alpha=1.0, max_iter=60, random_state=SEED)
    fitted.fit(scaler.transform(x.astype(np.float64)), y)
    # scikit-learn trains one logit z for two classes; softmax(-z/2, z/2) is its sigmoid.
    weight, bias = fitted.coefs_[-1], fitted.intercepts_[-1]
    weights = fitted.coefs_[:-1] + [np.hstack([-weight, weight]) / 2]
    biases = fitted.intercepts_[:-1] + [np.hstack([-bias, bias]) / 2]
    nodes, constants = dense_layers("standardised", weights, biases)
    nodes = [
        helper.make_node("Sub", ["features", "mean"], ["centred"]),
        helper.make_node("Div", ["centred", "scale"], ["standardised"]),
        *nodes,
        helper.make_node("ArgMax", ["probabilities"], ["label"], axis=1, keepdims=0),
    ]
    constants += [constant("mean", scaler.mean_), constant("scale", scaler.scale_)]
    model = build(
        "breast_cancer_mlp",
        nodes,
        [value("features", TensorProto.FLOAT, ["N", 30])],
        [
            value("label", TensorProto.INT64, ["N"]),
            value("probabilities", TensorProto.FLOAT, ["N", 2]),
        ],
        constants,
    )
    return model, x_test, y_test


def make_digits():
    digits = load_digits()
    x, x_test, y, y_test = split(digits.images[:, None, :, :], digits.target)
    fitted = MLPClassifier((96, 48), alpha=0.1, max_iter=200, random_state=SEED)
    fitted.fit(x.reshape(len(x), 64).astype(np.float64) / 16.0, y)
    # The pixel range 0..16 goes into the first weights: a power of two, so nothing is rounded.
    weights = [fitted.coefs_[0] / 16.0] + fitted.coefs_[1:]
    nodes, constants = dense_layers("pixels", weights, fitted.intercepts_)
    model = build(
        "digits",
        [helper.make_node("Flatten", ["image"], ["pixels"], axis=1), *nodes],
        [value("image", TensorProto.FLOAT, ["N", 1, 8, 8])],
        [value("probabilities", TensorProto.FLOAT, ["N", 10])],
        constants,
    )
    return model, x_test, y_test


MAKERS = {
    "example": make_example,
    "iris": make_iris,
    "breast_cancer": make_breast_cancer,
    "breast_cancer_mlp": make_breast_cancer_mlp,
    "digits": make_digits,
}


def measured_accuracy(path, x, y):
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    feed = {session.get_inputs()[0].name: x}
    probabilities = session.run(["probabilities"], feed)[0]
    return int((probabilities.argmax(axis=1) == y).sum()), len(y)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent)
    parser.add_argument("models", nargs="*", metavar="MODEL", help=", ".join(MAKERS))
    arguments = parser.parse_args()
    unknown = sorted(set(arguments.models) - set(MAKERS))
    if unknown:
        parser.error(f"no such model: {', '.join(unknown)}")
    # The MLPs are stopped by their number of rounds on purpose.
    warnings.filterwarnings("ignore", category=ConvergenceWarning)
    # One thread: sums in another order would give other weights.
    with threadpool_limits(1):
        for name in arguments.models or MAKERS:
            model, x_test, y_test = MAKERS[name]()
            onnx.checker.check_model(model, full_check=True)
            path = arguments.out / name / "1" / "model.onnx"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(model.SerializeToString(deterministic=True))
            right, total = measured_accuracy(str(path), x_test, y_test)
            print(
                f"{name}: {path.stat().st_size} bytes, {right}/{total} right ({right / total:.1%})"
            )


if __name__ == "__main__":
    main()
