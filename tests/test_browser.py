"""Pages in a browser: a tester that lives at another origin, and muster's own page."""

import json
import os
import tempfile
from pathlib import Path

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select

from browser import chromium
from support import EXAMPLES, ROOT, Server, assert_close, expected, files_of, free_port, wait_until

SCREENSHOTS = Path(os.environ.get("TMP") or tempfile.gettempdir())


@pytest.fixture(scope="module")
def origin():
    with files_of(ROOT / "tests" / "web") as url:
        yield url


@pytest.fixture(scope="module")
def server(origin):
    with Server(EXAMPLES, args=["--cors-origins", origin]) as running:
        yield running


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    with chromium(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture(scope="module")
def tester(driver, origin, server):
    def open_at(server_url=server.url):
        driver.get(f"{origin}/batch_tester.html?server={server_url}")
        return driver

    return open_at


@pytest.fixture(scope="module")
def answers():
    return expected()["example"]["outputs"]["probabilities"]


def awaited(driver, expression):
    """The value of an expression of the page, once its promise has one."""
    result = driver.execute_async_script(
        "const done = arguments[arguments.length - 1];"
        f"Promise.resolve({expression}).then(value => done({{value}}),"
        " error => done({error: String(error)}));"
    )
    assert "error" not in result, result
    return result["value"]


def complaints(driver):
    """Warnings and errors of the browser's console since it was last asked."""
    return [entry["message"] for entry in driver.get_log("browser") if entry["level"] != "INFO"]


def test_the_tester_reaches_the_server_from_another_origin(tester):
    driver = tester()
    assert awaited(driver, "probe.isReachable()") is True
    assert complaints(driver) == []


def test_the_tester_does_not_reach_a_server_that_is_not_there(tester):
    driver = tester(f"http://127.0.0.1:{free_port()}")
    assert awaited(driver, "probe.isReachable()") is False
    complaints(driver)


def test_the_browser_keeps_a_page_of_an_origin_that_is_not_admitted_away(tester):
    with Server(EXAMPLES / "example", args=["--cors-origins", "http://other.example"]) as closed:
        driver = tester(closed.url)
        assert awaited(driver, "probe.isReachable()") is False
        assert any("CORS" in text for text in complaints(driver))


def test_the_testers_benchmark_succeeds_in_all_rounds(tester):
    result = awaited(tester(), "probe.benchmark(10)")
    assert result["rounds"] == 10
    assert result["failures"] == []
    assert result["successRate"] == 100
    assert result["batchSizes"] == [5] * 10
    assert result["predictions"] == 50
    for times in (result["elapsedMs"], result["inferenceMs"]):
        assert 0 < times["least"] <= times["mean"] <= times["most"]
    assert result["inferenceMs"]["mean"] <= result["elapsedMs"]["mean"]


def test_the_tester_finds_the_same_predictions_in_all_rounds(tester, answers):
    result = awaited(tester(), "probe.consistency(20)")
    assert result["failures"] == []
    assert result["lengths"] == [5] * 20
    assert result["deterministic"] is True
    assert_close(result["predictions"], answers)


@pytest.mark.parametrize("name", ["reachable", "benchmark", "consistency"])
def test_the_testers_buttons_show_its_results(tester, name, answers):
    driver = tester()
    driver.find_element(By.ID, name).click()
    output = f"pre[data-of={name}]"
    wait_until(lambda: driver.find_elements(By.CSS_SELECTOR, output), f"the result of {name}")
    result = json.loads(driver.find_element(By.CSS_SELECTOR, output).text)
    if name == "reachable":
        assert result is True
    elif name == "benchmark":
        assert result["successRate"] == 100
    else:
        assert_close(result["predictions"], answers)


@pytest.fixture
def page(driver, server):
    driver.get(server.url)
    wait_until(lambda: driver.find_elements(By.CSS_SELECTOR, "#model option"), "models to choose")
    return driver


def test_the_page_lists_the_models_and_their_state(page):
    assert page.title == "muster"
    assert page.find_element(By.ID, "status").text == "healthy"
    rows = page.find_elements(By.CSS_SELECTOR, "#models tr")
    cells = [[cell.text for cell in row.find_elements(By.TAG_NAME, "td")] for row in rows]
    assert [row[0] for row in cells] == sorted(
        path.parent.parent.name for path in EXAMPLES.glob("*/1/model.onnx")
    )
    by_name = {row[0]: row for row in cells}
    assert by_name["iris"][1:4] == ["1", "READY", "features: FP32 [n, 4]"]
    assert "label: INT64 [n]" in by_name["iris"][4]
    assert complaints(page) == []


def predict_by_form(page, model, row):
    Select(page.find_element(By.ID, "model")).select_by_visible_text(model)
    box = page.find_element(By.ID, "row")
    if row is not None:
        box.clear()
        box.send_keys(row)
    page.find_element(By.CSS_SELECTOR, "#try button").click()
    answer = wait_until(lambda: page.find_element(By.ID, "answer").text, "an answer")
    return json.loads(answer)


def test_a_prediction_by_the_pages_form_shows_the_answer(page):
    iris = expected()["iris"]
    answer = predict_by_form(page, "iris", json.dumps(iris["inputs"]["features"][4]))
    assert answer["success"] is True
    assert answer["result"]["label"] == iris["outputs_single"]["label"][4]
    assert_close(answer["result"]["probabilities"], iris["outputs_single"]["probabilities"][4])
    page.save_screenshot(str(SCREENSHOTS / "muster_page.png"))


@pytest.mark.parametrize("model", ["breast_cancer", "digits", "example", "iris"])
def test_the_page_proposes_a_row_that_the_model_takes(page, model):
    answer = predict_by_form(page, model, None)
    assert answer["success"] is True
    assert answer["model_name"] == model


def test_a_refused_prediction_is_shown_with_its_reason(page):
    answer = predict_by_form(page, "iris", "[1, 2]")
    assert answer["code"] == "SHAPE"
    assert "bad" in page.find_element(By.ID, "answer").get_attribute("class")


def test_the_page_shows_text_of_the_server_as_text(page):
    answer = predict_by_form(page, "iris", '"<img src=x onerror=window.broken=1>"')
    assert "code" in answer
    assert page.execute_script("return window.broken") is None
    assert page.find_elements(By.CSS_SELECTOR, "#answer img") == []


def test_the_page_works_on_a_narrow_screen_without_scrolling_sideways(page):
    size = page.get_window_size()
    try:
        page.set_window_size(500, 900)
        width = page.execute_script("return document.documentElement.scrollWidth")
        assert width <= page.execute_script("return window.innerWidth")
    finally:
        page.set_window_size(size["width"], size["height"])


def test_the_pages_headers_forbid_foreign_scripts_and_frames(server):
    response = server.get("/", headers={"Accept": "text/html"})
    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert response.headers["X-Content-Type-Options"] == "nosniff"
