"""Runs the client code of a document as it stands there against a server.

MUSTER_CLIENT_DOCUMENT names a Markdown file with one ```python and one ```javascript block, each
with a class that tries the batch example of http://localhost:8000. Without it there is nothing to
test here."""

import json
import os
import re
from pathlib import Path

import pytest

from browser import chromium
from support import EXAMPLES, Server, assert_close, expected, files_of, wait_until

DOCUMENT = os.environ.get("MUSTER_CLIENT_DOCUMENT")
PORT = 8000


def blocks(language):
    """The document's blocks in a language that define a class, with the class's name."""
    text = Path(DOCUMENT).read_text(encoding="utf-8")
    found = re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    named = [(re.search(r"^class (\w+)", code, re.MULTILINE), code) for code in found]
    return [(match[1], code) for match, code in named if match]


def pytest_generate_tests(metafunc):
    for language in ("python", "javascript"):
        if language in metafunc.fixturenames:
            given = blocks(language)
            assert given, f"{DOCUMENT} has no {language} block with a class"
            metafunc.parametrize(language, given, ids=[n for n, _ in given], scope="module")


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    with files_of(folder) as origin:
        yield folder, origin


@pytest.fixture(scope="module")
def server(pages):
    args = ["--http-port", PORT, "--cors-origins", pages[1]]
    with Server(EXAMPLES, args=args) as running:
        yield running


@pytest.fixture(scope="module")
def module(server, python):
    """The block's names, after all of its lines have been run."""
    name, code = python
    names = {"__name__": "client_document"}
    exec(compile(code, DOCUMENT, "exec"), names)
    return name, names


@pytest.fixture(scope="module")
def client(server, module):
    name, names = module
    return names[name](base_url=server.url)


@pytest.fixture(scope="module")
def answers():
    return expected()["example"]["outputs"]["probabilities"]


@pytest.fixture(scope="module")
def driver(server, pages, javascript, tmp_path_factory):
    """A browser at a page that has the block as its script."""
    folder, origin = pages
    name, code = javascript
    (folder / "client.js").write_text(code, encoding="utf-8")
    (folder / "client.html").write_text(
        '<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,">'
        '<div id="place"></div><script src="client.js"></script>',
        encoding="utf-8",
    )
    with chromium(tmp_path_factory.mktemp("profile")) as browser:
        browser.get(f"{origin}/client.html")
        browser.execute_script(f"window.client = new {name}()")
        yield browser


def call(driver, expression):
    """The value of an expression of the page, awaited."""
    return driver.execute_async_script(
        "const done = arguments[arguments.length - 1];"
        f"Promise.resolve({expression}).then(value => done({{value}}),"
        " error => done({error: String(error)}));"
    )["value"]


if DOCUMENT:

    def test_the_python_block_runs_as_it_stands_and_reaches_the_server(module, server):
        name, names = module
        assert isinstance(names[name], type)
        example = server.model("example")
        assert example["request_count"] > 0
        assert example["error_count"] == 0

    def test_the_python_client_gets_the_batch_example(client, answers):
        result = client.run_batch_example()
        assert result["input_count"] == 5
        assert_close(result["response"]["predictions"], answers)

    def test_the_python_client_finds_the_server(client):
        assert client.test_batch_connectivity() is True

    def test_the_python_client_finds_no_server_where_there_is_none(module):
        name, names = module
        assert names[name](base_url="http://127.0.0.1:1").test_batch_connectivity() is False

    def test_the_python_client_benchmarks_ten_rounds(client, capsys):
        result = client.benchmark_batch_performance(iterations=10)
        assert result["iterations"] == 10
        assert result["errors"] == 0
        assert result["success_rate"] == 100
        for times in (result["response_times_ms"], result["inference_times_ms"]):
            assert 0 < times["min"] <= times["median"] <= times["max"]
            assert times["min"] <= times["avg"] <= times["max"]
        assert result["batch_performance"]["avg_batch_size"] == 5
        assert result["batch_performance"]["avg_throughput_predictions_per_sec"] > 0
        capsys.readouterr()
        client.print_benchmark_results(result, "Ten rounds")
        printed = capsys.readouterr().out
        assert "TEN ROUNDS" in printed
        assert "100.0%" in printed

    def test_the_python_client_sees_twenty_equal_answers(client):
        result = client.analyze_batch_consistency(iterations=20)
        assert result["successful_runs"] == result["total_runs"] == 20
        consistency = result["prediction_consistency"]
        assert consistency["deterministic"] is True
        lengths = consistency["prediction_lengths"]
        assert (lengths["min"], lengths["max"], lengths["avg"]) == (5, 5, 5)
        assert lengths["consistent"] is True
        rates = consistency["success_rates"]
        assert (rates["min"], rates["max"], rates["avg"], rates["std_dev"]) == (100, 100, 100, 0)
        assert result["performance_consistency"]["inference_times_ms"]["min"] > 0

    def test_the_python_client_stresses_the_server_without_a_failure(client):
        result = client.stress_test_batch(duration_seconds=5, concurrent_batches=4)
        assert result["failed_batches"] == 0
        assert result["success_rate"] == 100
        assert result["successful_batches"] == result["total_batch_requests"] >= 4
        performance = result["performance"]
        assert performance["total_predictions_processed"] == 5 * result["successful_batches"]
        assert performance["predictions_per_second"] > 0
        assert sorted(result["worker_analysis"]) == [0, 1, 2, 3]
        assert "error_analysis" not in result

    def test_the_python_client_compares_batch_and_single_predictions(client):
        result = client.compare_batch_vs_individual(iterations=10)
        assert result["batch_performance"]["successful_runs"] == 10
        assert result["individual_performance"]["successful_runs"] == 10
        assert result["efficiency"]["batch_speedup"] > 1
        assert result["efficiency"]["time_savings_ms"] > 0

    def test_the_javascript_client_gets_the_batch_example(driver, answers):
        result = call(driver, "client.runBatchExample()")
        assert result["input_count"] == 5
        assert_close(result["response"]["predictions"], answers)

    def test_the_javascript_client_finds_the_server(driver):
        assert call(driver, "client.testBatchConnectivity()") is True

    def test_the_javascript_client_benchmarks_ten_rounds(driver):
        result = call(driver, "client.benchmarkBatchPerformance(10)")
        assert result["successful"] == result["iterations"] == 10
        assert result["failed"] == 0
        assert result["successRate"] == 100
        assert result["avgBatchSize"] == 5
        assert result["totalPredictions"] == 50
        assert 0 < result["avgInferenceTime"] <= result["avgResponseTime"]
        assert [r["success"] for r in result["results"]] == [True] * 10

    def test_the_javascript_client_sees_ten_equal_answers(driver, answers):
        result = call(driver, "client.analyzeBatchConsistency(10)")
        assert result["successfulRuns"] == result["totalRuns"] == 10
        consistency = result["consistency"]
        assert consistency["deterministic"] is True
        assert consistency["predictionLengthConsistent"] is True
        assert consistency["avgPredictionLength"] == 5
        assert consistency["avgSuccessRate"] == 100
        for one in result["results"]:
            assert_close(one["predictions"], answers)

    def test_the_javascript_clients_page_shows_right_results(driver, answers):
        driver.execute_script("batchTester.renderBatchTestInterface('place')")
        buttons = driver.find_elements("css selector", "#place button")
        assert len(buttons) == 4
        quick, connectivity, benchmark, consistency = buttons

        def shown(place):
            """What a place shows, once nothing is under way."""
            return driver.execute_script(
                "const element = document.getElementById(arguments[0]);"
                "return element.querySelector('.loading') ? '' : element.innerText;",
                place,
            )

        def click(button, place):
            button.click()
            return wait_until(lambda: shown(place), f"an answer in {place}")

        text = click(quick, "quick-batch-result")
        assert "Input Count: 5" in text
        assert "Successful Predictions: 5" in text
        assert "Failed Predictions: 0" in text
        first_two = json.loads(re.search(r"(\[\[.*\]\])\.\.\.", text)[1])
        assert_close(first_two, answers[:2])
        results = "batch-test-results"
        click(connectivity, results)
        assert driver.find_elements("css selector", f"#{results} .success")
        assert not driver.find_elements("css selector", f"#{results} .error")
        text = click(benchmark, results)
        assert "Success Rate: 100.0%" in text
        assert "10/10" in text
        assert "Total Predictions: 50" in text
        assert len(driver.find_elements("css selector", f"#{results} .benchmark-bar")) == 10
        text = click(consistency, results)
        assert "5/5" in text
        assert re.search(r"Deterministic: \W* Yes", text)
        assert "Avg Success Rate: 100.0%" in text
