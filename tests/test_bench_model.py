"""`muster bench model`, `muster bench variants` and `muster tune` as processes, with points of a few
milliseconds: what they print, write and refuse. How fast anything is, is not tested."""

import json
import re
import shutil
import xml.etree.ElementTree as ET

import pytest
import yaml

from support import EXAMPLES, MODELS, copy_model, muster

IRIS = EXAMPLES / "iris"
SHORT = ["--seconds", "0.005"]
SVG = "{http://www.w3.org/2000/svg}"


def succeeds(*args):
    done = muster(*args)
    assert done.returncode == 0, done.stderr
    return done.stdout


def fails(code, *args):
    """What a call that must fail says on standard error; nothing else may be there."""
    done = muster(*args)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stderr


@pytest.fixture
def iris(tmp_path):
    return copy_model(IRIS, tmp_path)


def test_bench_model_prints_a_line_for_each_point_and_the_best(tmp_path):
    output = succeeds(
        "bench", "model", IRIS, *SHORT, "--batch-sizes", "1,4", "--instances", "1,2",
        "--threads", "1",
    )  # fmt: skip
    points = re.findall(r"^ +(\d×\d) +(\d+) +\S+.* (\d+)$", output, re.MULTILINE)
    assert points == [(s, n, "512") for n in ("1", "4") for s in ("1×1", "2×1")], output
    assert re.search(r"^1×1: best .* rows/s at \d .*knee", output, re.MULTILINE)
    assert re.search(r"^best of all: ", output, re.MULTILINE)


def test_bench_model_grows_batches_by_itself():
    output = succeeds("bench", "model", IRIS, *SHORT, "--instances", "1", "--threads", "1")
    sizes = [int(n) for n in re.findall(r"^ +1×1 +(\d+) ", output, re.MULTILINE)]
    assert sizes == [2**i for i in range(len(sizes))]
    assert 3 <= len(sizes) <= 10


def test_bench_model_writes_json(tmp_path):
    file = tmp_path / "iris.json"
    succeeds(
        "bench", "model", IRIS / "1" / "model.onnx", *SHORT, "--batch-sizes", "2,1,2",
        "--threads", "1", "--instances", "1", "--json", file,
    )  # fmt: skip
    written = json.loads(file.read_text(encoding="utf-8"))
    assert (written["model"], written["version"], written["distinct_inputs"]) == ("model", "1", 512)
    (curve,) = written["curves"]
    assert (curve["instances"], curve["threads"]) == (1, 1)
    assert [p["batch_size"] for p in curve["points"]] == [1, 2], "sorted, each size once"
    assert curve["best"] in curve["points"] and curve["knee"] in curve["points"]
    for point in curve["points"]:
        assert point["rows_per_s"] > 0 and point["runs"] >= 3 and point["checked_rows"] == 512
        assert 0 < point["median_ms"] <= point["p99_ms"]


def test_bench_model_draws_a_line_for_each_instances_and_threads(tmp_path):
    file = tmp_path / "iris.svg"
    succeeds(
        "bench", "model", IRIS, *SHORT, "--batch-sizes", "1,8,64", "--instances", "1,2",
        "--threads", "1", "--svg", file,
    )  # fmt: skip
    root = ET.parse(file).getroot()
    assert root.tag == SVG + "svg"
    lines = [line.get("points").split() for line in root.iter(SVG + "polyline")]
    assert [len(points) for points in lines] == [3, 3]
    texts = {text.text for text in root.iter(SVG + "text")}
    assert {"Bare engine: iris", "rows per run", "rows/s", "1×1", "2×1"} <= texts


def test_bench_model_runs_a_model_of_a_fixed_number_of_rows():
    output = succeeds("bench", "model", MODELS / "fixed_batch", *SHORT)
    assert re.search(r"^ +1×1 +4 ", output, re.MULTILINE)


def test_bench_model_names_a_model_that_mixes_rows():
    error = fails(1, "bench", "model", MODELS / "mixes_rows", *SHORT)
    assert "mixes_rows" in error and "output" in error and "mixes rows" in error
    succeeds("bench", "model", MODELS / "mixes_rows", *SHORT, "--batch-sizes", "1")


@pytest.mark.parametrize("command", [("bench", "model"), ("tune", "--slo", "1s")])
def test_one_model_is_measured_and_no_other_number(command, tmp_path):
    assert "no such file or folder: nowhere" in fails(1, *command, tmp_path / "nowhere")
    several = fails(1, *command, EXAMPLES)
    assert "found 5" in several and "iris" in several
    assert "no model given" in fails(1, *command)


def test_wrong_flags_are_usage_errors_that_name_the_nearest():
    assert "Did you mean --seconds?" in fails(2, "bench", "model", IRIS, "--secnds", "1")
    assert "Did you mean --iterations?" in fails(2, "bench", "variants", IRIS, "--iteration", "1")
    assert "--slo is required" in fails(2, "tune", IRIS)
    assert "20ms" in fails(2, "tune", IRIS, "--slo", "20")
    assert "excludes" in fails(2, "tune", IRIS, "--slo", "20ms", "--write", "--dry-run")
    assert "more than 0" in fails(2, "bench", "model", IRIS, "--seconds", "0")
    assert "batch size" in fails(2, "bench", "model", IRIS, "--batch-sizes", "0")
    assert "1 to 1024" in fails(2, "bench", "model", IRIS, "--instances", "0")


def test_a_file_that_cannot_be_written_is_named(tmp_path):
    error = fails(
        1, "bench", "model", IRIS, *SHORT, "--batch-sizes", "1", "--threads", "1",
        "--instances", "1", "--json", tmp_path / "no" / "folder.json",
    )  # fmt: skip
    assert "folder.json cannot be written" in error


def test_tune_says_what_it_would_choose_and_writes_nothing(iris):
    before = (iris / "muster.yaml").read_text(encoding="utf-8")
    output = succeeds("tune", iris, "--slo", "500ms", *SHORT, "--cores", "2", "--dry-run")
    assert re.search(
        r"^chosen: instances: [12], threads: [12], max_batch_size: \d+ ", output, re.MULTILINE
    )
    for split in ("1×1", "2×1", "1×2"):
        assert re.search(rf"^  {split}: .* rows/s with runs of up to \d+", output, re.MULTILINE)
    assert (iris / "muster.yaml").read_text(encoding="utf-8") == before


def test_tune_writes_the_settings_and_keeps_the_rest_of_the_file(iris):
    config = iris / "muster.yaml"
    config.write_text(
        "# Flowers.\ndescription: Iris\nthreads: 7  # too many\nlabels: [a, b, c]\n",
        encoding="utf-8",
    )
    output = succeeds("tune", iris, "--slo", "500ms", *SHORT, "--cores", "2", "--write")
    chosen = yaml.safe_load("{" + re.search(r"^chosen: (.*?) \(", output, re.MULTILINE)[1] + "}")
    text = config.read_text(encoding="utf-8")
    assert yaml.safe_load(text) == {"description": "Iris", "labels": ["a", "b", "c"], **chosen}
    lines = text.splitlines()
    assert lines[0] == "# Flowers."
    assert lines[2] == f"threads: {chosen['threads']}  # too many"
    assert sorted(p.name for p in iris.iterdir()) == ["1", "README.md", "muster.yaml"]
    assert "iris version 1" in succeeds("models", iris)


def test_tune_makes_the_file_where_there_is_none(iris):
    (iris / "muster.yaml").unlink()
    succeeds("tune", iris, "--slo", "500ms", *SHORT, "--cores", "1", "--write")
    written = yaml.safe_load((iris / "muster.yaml").read_text(encoding="utf-8"))
    assert written.keys() == {"instances", "threads", "max_batch_size"}
    assert "FAILED" not in succeeds("models", iris)


def test_tune_says_the_smallest_slo_that_is_possible(iris):
    before = (iris / "muster.yaml").read_text(encoding="utf-8")
    error = fails(1, "tune", iris, "--slo", "0.1us", *SHORT, "--cores", "1", "--write")
    assert "no setting keeps a row within 100 ns" in error
    assert "smallest possible is" in error
    assert (iris / "muster.yaml").read_text(encoding="utf-8") == before


def test_tune_needs_a_folder_to_write_into(tmp_path):
    shutil.copy(IRIS / "1" / "model.onnx", tmp_path / "iris.onnx")
    error = fails(1, "tune", tmp_path / "iris.onnx", "--slo", "1s", *SHORT, "--write")
    assert "no muster.yaml" in error and "iris/1/model.onnx" in error


def test_tune_refuses_a_file_that_it_cannot_edit(iris):
    config = iris / "muster.yaml"
    config.write_text("{description: Iris, threads: 2}\n", encoding="utf-8")
    error = fails(1, "tune", iris, "--slo", "500ms", *SHORT, "--cores", "1", "--write")
    assert "by hand" in error
    assert config.read_text(encoding="utf-8") == "{description: Iris, threads: 2}\n"


def test_tune_runs_a_model_that_mixes_rows_one_at_a_time_once_that_is_said(tmp_path):
    model = copy_model(MODELS / "mixes_rows", tmp_path, config="description: Mixes\n")
    error = fails(1, "tune", model, "--slo", "500ms", *SHORT, "--cores", "1")
    assert "mixes rows" in error
    (model / "muster.yaml").write_text("batchable: false\n", encoding="utf-8")
    output = succeeds("tune", model, "--slo", "500ms", *SHORT, "--cores", "1")
    assert "max_batch_size: 1 " in output


def test_tune_counts_what_the_window_waits(iris):
    (iris / "muster.yaml").write_text("policy: window\nmax_wait_ms: 40\n", encoding="utf-8")
    output = succeeds("tune", iris, "--slo", "500ms", *SHORT, "--cores", "1")
    assert "40 ms + 2 · p99" in output
    assert "above `max_wait_ms`" in fails(1, "tune", iris, "--slo", "40ms", *SHORT)


def test_a_broken_configuration_is_an_error_before_anything_is_measured(iris):
    (iris / "muster.yaml").write_text("instence: 1\n", encoding="utf-8")
    assert "did you mean `instances`" in fails(1, "tune", iris, "--slo", "1s", *SHORT)
    assert "did you mean `instances`" in fails(1, "bench", "model", iris, *SHORT)


def test_variants_are_compared_on_the_same_inputs(iris, tmp_path):
    shutil.copytree(iris / "1", iris / "2")
    file = tmp_path / "variants.json"
    output = succeeds("bench", "variants", iris, "--iterations", "200", "--json", file)
    assert re.search(r"^fastest: iris version [12], ", output, re.MULTILINE)
    assert "the same in all" in output
    written = json.loads(file.read_text(encoding="utf-8"))
    assert {v["name"] for v in written["variants"]} == {"iris version 1", "iris version 2"}
    assert written["fastest"] == written["variants"][0]["name"]
    medians = [v["median_ms"] for v in written["variants"]]
    assert medians == sorted(medians)
    for variant in written["variants"]:
        assert 0 < variant["median_ms"] <= variant["p95_ms"] <= variant["p99_ms"]
        assert variant["average_ms"] > 0 and variant["rows_per_s"] > 0
    assert all(d["largest"] == 0 for d in written["differences"])
    assert [d["output"] for d in written["differences"]] == ["label", "probabilities"]


def test_variants_that_answer_differently_are_told_apart():
    output = succeeds(
        "bench", "variants", EXAMPLES / "breast_cancer", EXAMPLES / "breast_cancer_mlp",
        "--iterations", "20", "--batch-size", "8",
    )  # fmt: skip
    found = re.search(r'"probabilities": largest difference (\S+), between', output)
    assert found and 0 < float(found[1]) <= 1, output


def test_variants_of_other_inputs_are_refused():
    error = fails(1, "bench", "variants", EXAMPLES)
    assert "the inputs of" in error and "differ: input 0 is" in error
    assert "at least two" in fails(1, "bench", "variants", IRIS)
    assert "no such file" in fails(1, "bench", "variants", "/nowhere")
    assert "expected 1 to" in fails(2, "bench", "variants", IRIS, "--iterations", "0")
