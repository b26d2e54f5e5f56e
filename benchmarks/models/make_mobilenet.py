#!/usr/bin/env python3
"""Makes a model of MobileNetV2's shape with random weights, to measure image models with.

    pip install -r requirements.txt
    python make_mobilenet.py [--out DIR] [--seed N] [--size 224] [--width 1.0]

Writes DIR/mobilenet_v2/1/model.onnx and its muster.yaml, by default below build/benchmarks/models,
and prints what ONNX Runtime made of it. The weights mean nothing, the work per row is the real
network's: Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", table 2.
"""

import argparse
import os
import time
from pathlib import Path

import numpy as np
import onnx

# The runtime reports to its makers unless told not to before it is loaded.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

# Old enough for every ONNX Runtime since 1.14.
OPSET = 17
IR_VERSION = 8
CLASSES = 1000
ROOT = Path(__file__).resolve().parent.parent.parent

# expansion, channels, blocks, stride of the first block
BLOCKS = [
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
]


def channels(count, width):
    """A multiple of 8 near count · width, and not below nine tenths of it."""
    wanted = count * width
    rounded = max(8, int(wanted + 4) // 8 * 8)
    return rounded if rounded >= 0.9 * wanted else rounded + 8


class Graph:
    """Nodes and weights as they are added; every method returns the name of its output."""

    def __init__(self, seed):
        self.random = np.random.default_rng(seed)
        self.nodes = []
        self.weights = []

    def constant(self, name, array):
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def add(self, kind, inputs, name, **attributes):
        self.nodes.append(helper.make_node(kind, inputs, [name], name=name, **attributes))
        return name

    def conv(self, x, name, shape, stride=1, groups=1, clip=True):
        """A convolution as it is once its batch normalisation was folded into it: with a bias.

        He's scale for what a ReLU follows, Glorot's for the linear ones, keeps the variance of the
        activations near that of the input through all layers."""
        out, per_group, height, width = shape
        fan_in = per_group * height * width
        scale = np.sqrt((2.0 if clip else 1.0) / fan_in)
        weight = self.random.normal(0.0, scale, shape).astype(np.float32)
        bias = self.random.normal(0.0, 0.05, out).astype(np.float32)
        y = self.add(
            "Conv",
            [x, self.constant(f"{name}.weight", weight), self.constant(f"{name}.bias", bias)],
            name,
            kernel_shape=[height, width],
            pads=[height // 2, width // 2] * 2,
            strides=[stride, stride],
            group=groups,
        )
        return self.add("Clip", [y, "zero", "six"], f"{name}.relu6") if clip else y

    def block(self, x, name, source, target, stride, expansion):
        """Expand by 1×1, filter each channel by 3×3, project by 1×1; add where shapes agree."""
        y, wide = x, source * expansion
        if expansion != 1:
            y = self.conv(y, f"{name}.expand", (wide, source, 1, 1))
        y = self.conv(y, f"{name}.filter", (wide, 1, 3, 3), stride=stride, groups=wide)
        y = self.conv(y, f"{name}.project", (target, wide, 1, 1), clip=False)
        if stride == 1 and source == target:
            y = self.add("Add", [x, y], f"{name}.add")
        return y


def build(seed, size, width):
    g = Graph(seed)
    g.constant("zero", np.float32(0))
    g.constant("six", np.float32(6))
    source = channels(32, width)
    x = g.conv("input", "stem", (source, 3, 3, 3), stride=2)
    number = 0
    for expansion, count, repeats, stride in BLOCKS:
        target = channels(count, width)
        for i in range(repeats):
            first = stride if i == 0 else 1
            x = g.block(x, f"block{number}", source, target, first, expansion)
            source, number = target, number + 1
    last = max(1280, channels(1280, width))
    x = g.conv(x, "head", (last, source, 1, 1))
    x = g.add("GlobalAveragePool", [x], "pool")
    x = g.add("Flatten", [x], "flat", axis=1)
    weight = g.random.normal(0.0, np.sqrt(1.0 / last), (last, CLASSES)).astype(np.float32)
    bias = g.random.normal(0.0, 0.05, CLASSES).astype(np.float32)
    weights = [g.constant("classes.weight", weight), g.constant("classes.bias", bias)]
    x = g.add("Gemm", [x, *weights], "classes")
    g.add("Softmax", [x], "probabilities", axis=1)

    def value(name, shape):
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    graph = helper.make_graph(
        g.nodes,
        "mobilenet_v2",
        [value("input", ["N", 3, size, size])],
        [value("probabilities", ["N", CLASSES])],
        g.weights,
    )
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET)],
        producer_name="muster",
        doc_string=f"MobileNetV2 {width} / {size}, random weights of seed {seed}",
        ir_version=IR_VERSION,
    )
    onnx.checker.check_model(model, full_check=True)
    return model


def check(path, size):
    """Runs the file as written: finite, a distribution, another for every input, and the same for
    a row in a batch; then how fast one core runs it."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    rows = np.random.default_rng(1).uniform(-2, 2, (4, 3, size, size)).astype(np.float32)
    batch = session.run(None, {"input": rows})[0]
    alone = [session.run(None, {"input": row[None]})[0][0] for row in rows]
    assert np.isfinite(batch).all(), "not finite"
    assert np.allclose(batch.sum(axis=1), 1, atol=1e-4), "not a distribution"
    assert np.allclose(batch, alone, rtol=1e-4, atol=1e-6), "a row differs in a batch"
    spread = min(
        np.abs(batch[i] - batch[j]).max() / batch.max() for i in range(4) for j in range(i)
    )
    assert spread > 1e-3, f"outputs hardly differ between inputs: {spread}"
    assert batch.std() > 1e-6, "outputs are constant"
    times = []
    for i in range(30):
        start = time.perf_counter()
        session.run(None, {"input": rows[i % 4][None]})
        times.append(time.perf_counter() - start)
    return spread, batch.max(), 1 / np.median(times)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "benchmarks" / "models")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--size", type=int, default=224, help="pixels of a side (default 224)")
    parser.add_argument("--width", type=float, default=1.0, help="of all layers (default 1.0)")
    arguments = parser.parse_args()
    folder = arguments.out / "mobilenet_v2"
    path = folder / "1" / "model.onnx"
    path.parent.mkdir(parents=True, exist_ok=True)
    model = build(arguments.seed, arguments.size, arguments.width)
    path.write_bytes(model.SerializeToString())
    (folder / "muster.yaml").write_text(
        f"description: MobileNetV2 {arguments.width} / {arguments.size} with random weights\n",
        encoding="utf-8",
    )
    spread, top, rate = check(path, arguments.size)
    count = sum(int(np.prod(w.dims)) for w in model.graph.initializer)
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB, {count / 1e6:.2f} M weights")
    print(f"outputs of different inputs differ by {100 * spread:.1f} % of the largest, {top:.4f}")
    print(f"{rate:.0f} rows/s on one core, one row a run")


if __name__ == "__main__":
    main()
