"""What an operator sees and does: health, figures, configuration, start, stop, command line."""

import json
import math
import os
import re
import signal
from datetime import datetime

import pytest
import requests
import yaml
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

import exposition
import wire
from support import (
    EXAMPLES,
    MODELS,
    PATIENCE,
    ROOT,
    Server,
    assert_close,
    assert_is_error,
    assert_is_now,
    copy_model,
    expected,
    flat,
    free_port,
    is_number,
    muster,
    wait_until,
)

NAMES = ["breast_cancer", "breast_cancer_mlp", "digits", "example", "iris"]


@pytest.fixture(scope="module")
def server():
    with Server(EXAMPLES, args=["--metrics-port", "0"]) as running:
        yield running


@pytest.fixture
def fresh():
    """A server that has answered nothing yet."""
    with Server(EXAMPLES / "iris", MODELS / "fails_on_marked_row") as running:
        yield running


IRIS = expected()["iris"]["inputs"]["features"]


# Health


def test_a_server_whose_models_are_ready_is_healthy(server):
    body = server.get("/health").json()
    assert body["healthy"] is True
    assert body["status"] == "healthy"
    assert body["problems"] == []
    assert body["checks"] == {
        "inference_engine": True,
        "model_loaded": True,
        "device_available": True,
        "memory_usage": True,
        "queue_status": True,
    }
    assert_is_now(body["timestamp"])


def test_health_shows_what_the_engine_has_done(fresh):
    for row in IRIS:
        fresh.answer("/predict/iris", {"inputs": row})
    stats = fresh.get("/health").json()["engine_stats"]
    assert stats["requests_processed"] == 5
    assert 0 < stats["average_processing_time"] < PATIENCE
    assert stats["queue_length"] == 0
    assert stats["active_workers"] == 0
    assert 0 < stats["available_memory_mb"] <= stats["total_memory_mb"]


def test_a_running_server_is_live_and_ready(server):
    assert server.get("/health/live").json() == {"status": "live"}
    assert server.get("/health/ready").json() == {"status": "ready"}


@pytest.mark.parametrize("path", ["/health", "/health/live", "/health/ready", "/metrics"])
def test_health_and_metrics_are_answered_on_a_port_of_their_own(server, path):
    assert requests.get(server.metrics_url + path, timeout=PATIENCE).status_code == 200


@pytest.mark.parametrize("path", ["/predict", "/models", "/config", "/", "/v2"])
def test_the_port_for_metrics_serves_nothing_else(server, path):
    assert requests.get(server.metrics_url + path, timeout=PATIENCE).status_code == 404


# Figures


def test_stats_count_requests_rows_runs_and_errors(fresh):
    for row in IRIS:
        fresh.answer("/predict/iris", {"inputs": row})
    fresh.answer("/predict/iris/batch", {"inputs": IRIS})
    marked = {"inputs": [[1, 2, 3], [-999, 0, 0]]}
    fresh.answer("/predict/fails_on_marked_row/batch", marked)
    body = fresh.get("/stats").json()
    assert_is_now(body["timestamp"])
    stats = body["stats"]
    assert stats["requests_processed"] == 7
    assert stats["errors"] == 1
    assert stats["rows"] == 12
    assert stats["uptime_seconds"] > 0
    assert stats["queue_length"] == 0
    assert stats["average_batch_rows"] == pytest.approx(stats["rows"] / stats["runs"])
    report = body["performance_report"]
    assert report["error_rate"] == pytest.approx(1 / 7)
    assert report["throughput"] == pytest.approx(7 / stats["uptime_seconds"])
    latency = [report["latency"][p] for p in ("p50_ms", "p90_ms", "p95_ms", "p99_ms")]
    assert latency[0] > 0
    assert latency == sorted(latency)
    usage = report["resource_usage"]
    assert usage["resident_memory_mb"] > 1
    assert usage["cpu_seconds"] > 0
    by_name = {model["name"]: model for model in body["models"]}
    assert sorted(by_name) == ["fails_on_marked_row", "iris"]
    iris = by_name["iris"]
    assert (iris["version"], iris["stats"]["requests_processed"]) == ("1", 6)
    assert (iris["stats"]["rows"], iris["stats"]["errors"]) == (10, 0)
    assert by_name["fails_on_marked_row"]["performance_report"]["error_rate"] == 1
    assert sum(m["stats"]["rows"] for m in body["models"]) == stats["rows"]


def test_stats_count_connections_and_answers_by_class(fresh):
    for _ in range(3):
        requests.get(fresh.url + "/health/live", timeout=PATIENCE)
    requests.get(fresh.url + "/nowhere", timeout=PATIENCE)
    http = requests.get(fresh.url + "/stats", timeout=PATIENCE).json()["http"]
    assert http["connections_accepted"] == 5
    assert http["connections_refused"] == 0
    assert http["requests"] == 5
    assert http["responses"]["2xx"] == 3
    assert http["responses"]["4xx"] == 1
    assert http["responses"]["5xx"] == 0


def test_a_server_without_requests_has_figures_of_zero(fresh):
    body = fresh.get("/stats").json()
    assert body["stats"]["requests_processed"] == 0
    assert body["performance_report"]["error_rate"] == 0
    assert body["performance_report"]["throughput"] == 0
    assert body["performance_report"]["latency"]["p99_ms"] == 0


def test_metrics_are_prometheus_text_and_agree_with_the_models(fresh):
    for row in IRIS:
        fresh.answer("/predict/iris", {"inputs": row})
    fresh.answer("/predict/iris/batch", {"inputs": IRIS})
    marked = {"inputs": [[1, 2, 3], [-999, 0, 0]]}
    fresh.answer("/predict/fails_on_marked_row/batch", marked)
    response = fresh.get("/metrics")
    assert response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    families = exposition.parse(response.text)
    for name in ("iris", "fails_on_marked_row"):
        shown = fresh.model(name)
        stats, batching = shown["stats"], shown["batching"]
        wanted = {
            "muster_requests_total": shown["request_count"],
            "muster_request_errors_total": shown["error_count"],
            "muster_rows_total": stats["rows"],
            "muster_rows_succeeded_total": stats["rows_succeeded"],
            "muster_rows_failed_total": stats["rows_failed"],
            "muster_refused_total": stats["refused"],
            "muster_expired_in_queue_total": stats["expired_in_queue"],
            "muster_cancelled_total": stats["cancelled"],
            "muster_runs_total": batching["runs"],
            "muster_failed_runs_total": batching["failed_runs"],
            "muster_caller_runs_total": batching["caller_runs"],
            "muster_executor_wakeups_total": batching["wakeups"],
            "muster_queue_rows": batching["waiting_rows"],
            "muster_model_ready": 1,
        }
        labels = {"model": name, "version": "1"}
        shown_by_metrics = {m: exposition.value(families, m, **labels) for m in wanted}
        assert shown_by_metrics == wanted
        for reason, count in batching["launches"].items():
            metric = "muster_launches_total"
            assert exposition.value(families, metric, **labels, reason=reason) == count
        assert sum(batching["launches"].values()) == batching["runs"]
        sizes = "muster_batch_rows"
        runs = exposition.value(families, sizes, sizes + "_count", **labels)
        rows_of_runs = exposition.value(families, sizes, sizes + "_sum", **labels)
        assert runs == batching["runs"]
        assert rows_of_runs / runs == pytest.approx(batching["batch_rows"]["mean"], rel=0.01)
        seconds = "muster_request_seconds"
        count = exposition.value(families, seconds, seconds + "_count", **labels)
        assert count == shown["request_count"] == stats["latency"]["count"]
    iris = fresh.model("iris")
    assert (iris["request_count"], iris["error_count"]) == (6, 0)
    assert iris["stats"]["rows"] == iris["stats"]["rows_succeeded"] == 10
    marked = fresh.model("fails_on_marked_row")
    assert (marked["request_count"], marked["error_count"]) == (1, 1)
    assert (marked["stats"]["rows_succeeded"], marked["stats"]["rows_failed"]) == (1, 1)
    assert marked["batching"]["failed_runs"] >= 1
    assert exposition.value(families, "process_resident_memory_bytes") > 1 << 20
    assert families["muster_info"].samples


def test_metrics_count_what_the_listener_does(fresh):
    requests.get(fresh.url + "/nowhere", timeout=PATIENCE)
    families = exposition.parse(requests.get(fresh.url + "/metrics", timeout=PATIENCE).text)
    assert exposition.value(families, "muster_http_requests_total") == 2
    assert exposition.value(families, "muster_http_connections_total") == 2
    assert exposition.value(families, "muster_http_responses_total", **{"class": "4xx"}) == 1


# Models


def test_the_list_of_models_has_all_by_name_with_their_interface(server):
    models = server.get("/models").json()["models"]
    assert [m["name"] for m in models] == NAMES
    assert all(m["version"] == "1" and m["state"] == "READY" for m in models)
    assert [m["name"] for m in models if m["default"]] == ["breast_cancer"]
    iris = models[NAMES.index("iris")]
    assert iris["inputs"] == [{"name": "features", "datatype": "FP32", "shape": [-1, 4]}]
    assert iris["outputs"] == [
        {"name": "label", "datatype": "INT64", "shape": [-1]},
        {"name": "probabilities", "datatype": "FP32", "shape": [-1, 3]},
    ]
    assert iris["labels"] == ["setosa", "versicolor", "virginica"]
    assert iris["description"] == "Iris species from four measurements, logistic regression"
    assert iris["format"] == "onnx"
    assert iris["file_bytes"] == (EXAMPLES / "iris" / "1" / "model.onnx").stat().st_size


def test_a_model_shows_its_versions_batching_and_counters(fresh):
    model = fresh.model("iris")
    assert model["state"] == "READY"
    assert_is_now(model["created_at"], 60)
    assert (model["request_count"], model["error_count"]) == (0, 0)
    batching = model["batching"]
    assert batching["policy"] == "adaptive"
    assert batching["batchable"] is True
    assert batching["max_batch_size"] == 64
    assert batching["instances"] >= 1
    assert batching["max_queue_rows"] == max(4096, 2 * 64 * batching["instances"])
    assert batching["batch_invariant"]["enforced"] is False
    assert batching["runs"] == batching["failed_runs"] == batching["running"] == 0
    assert batching["queue_wait"]["count"] == batching["run_time"]["count"] == 0
    assert [v["version"] for v in model["versions"]] == ["1"]
    assert model["versions"][0]["stats"] == model["stats"]


def test_the_settings_of_a_models_muster_yaml_are_in_force(tmp_path):
    config = (
        "description: Another text\n"
        "labels: [a, b, c]\n"
        "policy: window\nmax_batch_size: 7\nmax_wait_ms: 1.5\ninstances: 1\nmax_queue_rows: 33\n"
    )
    copy_model(EXAMPLES / "iris", tmp_path, config=config)
    with Server(tmp_path) as server:
        model = server.model("iris")
        assert model["description"] == "Another text"
        assert model["labels"] == ["a", "b", "c"]
        batching = model["batching"]
        assert batching["policy"] == "window"
        assert batching["max_batch_size"] == 7
        assert batching["instances"] == 1
        assert batching["max_queue_rows"] == 33
        assert server.answer("/predict", {"features": IRIS[4]})["label"] == "c"


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ("polcy: window\n", ["line 1", "polcy", "policy`"]),
        ("description: x\nmax_batch_size: 0\n", ["`max_batch_size`", "1 to 65536", "0"]),
        ("max_batch_size: many\n", ["line 1", "`max_batch_size`", "whole number", "many"]),
        ("policy: none\npolicy: window\n", ["line 2", "twice"]),
        ("labels: [only, two]\n", ["`labels`", "2", "3"]),
        ("feature_names: [a, b]\n", ["`feature_names`", "2", "4"]),
    ],
)
def test_a_mistake_in_a_muster_yaml_fails_that_model_and_is_named(tmp_path, config, words):
    copy_model(EXAMPLES / "iris", tmp_path, config=config)
    copy_model(EXAMPLES / "example", tmp_path)
    with Server(tmp_path) as server:
        model = server.model("iris")
        assert model["state"] == "FAILED"
        for word in words:
            assert word in model["reason"]
        assert_is_error(server.post("/predict/iris", {"inputs": IRIS[0]}), 503, "MODEL_NOT_READY")
        server.answer("/predict/example", {"inputs": 1})
        assert server.get("/health").json()["status"] == "degraded"


def test_an_unknown_model_is_404_and_the_nearest_name_is_proposed(server):
    assert_is_error(server.get("/models/irs"), 404, "MODEL_NOT_FOUND", "irs", "iris")


@pytest.mark.parametrize("name", ["a b", "%20", "x" * 129, "na%C3%AFve"])
def test_what_cannot_be_a_models_name_is_400(server, name):
    assert_is_error(server.get(f"/models/{name}"), 400, "NAME")


def test_a_slash_cannot_be_hidden_in_a_models_name(server):
    assert_is_error(server.get("/models/..%2firis"), 400, "MALFORMED_REQUEST")


# Description of the API


@pytest.fixture(scope="module")
def document(server):
    return server.get("/openapi.json").json()


def test_the_openapi_document_is_valid(document):
    assert document["openapi"].startswith("3.1")
    errors = list(OpenAPIV31SpecValidator(document).iter_errors())
    assert errors == []


def operations(document):
    return [(p, m, o) for p, methods in document["paths"].items() for m, o in methods.items()]


def test_the_openapi_document_lists_every_route(document):
    assert sorted(f"{method.upper()} {path}" for path, method, _ in operations(document)) == [
        "GET /",
        "GET /config",
        "GET /health",
        "GET /health/live",
        "GET /health/ready",
        "GET /metrics",
        "GET /models",
        "GET /models/{model}",
        "GET /openapi.json",
        "GET /page.css",
        "GET /page.js",
        "GET /stats",
        "GET /v2",
        "GET /v2/health/live",
        "GET /v2/health/ready",
        "GET /v2/models/stats",
        "GET /v2/models/{model}",
        "GET /v2/models/{model}/ready",
        "GET /v2/models/{model}/stats",
        "GET /v2/models/{model}/versions/{version}",
        "GET /v2/models/{model}/versions/{version}/ready",
        "GET /v2/models/{model}/versions/{version}/stats",
        "POST /examples/batch",
        "POST /examples/simple",
        "POST /predict",
        "POST /predict/batch",
        "POST /predict/{model}",
        "POST /predict/{model}/batch",
        "POST /predict/{model}/versions/{version}",
        "POST /predict/{model}/versions/{version}/batch",
        "POST /v2/models/{model}/infer",
        "POST /v2/models/{model}/versions/{version}/infer",
        "POST /v2/repository/index",
    ]


def test_every_documented_route_exists(server, document):
    for path, method, _ in operations(document):
        concrete = path.replace("{model}", "iris").replace("{version}", "1")
        kwargs = {"json": {}} if method == "post" else {}
        response = server.session.request(method, server.url + concrete, timeout=PATIENCE, **kwargs)
        assert response.status_code in (200, 400), f"{method} {path}: {response.text}"


def validate(document, schema, instance):
    """Checks an instance against a schema of the document, formats included."""
    whole = {**schema, "components": document["components"]}
    validator = Draft202012Validator(whole, format_checker=Draft202012Validator.FORMAT_CHECKER)
    errors = [f"{error.json_path}: {error.message}" for error in validator.iter_errors(instance)]
    assert errors == []


ROW = IRIS[0]
INFER = {
    "id": "mine",
    "inputs": [{"name": "features", "datatype": "FP32", "shape": [1, 4], "data": ROW}],
    "outputs": [{"name": "probabilities"}, {"name": "label", "parameters": {"binary_data": False}}],
}
CALLS = [
    ("get", "/", None),
    ("get", "/health", None),
    ("get", "/health/live", None),
    ("get", "/health/ready", None),
    ("get", "/stats", None),
    ("get", "/config", None),
    ("get", "/models", None),
    ("get", "/models/{model}", None),
    ("get", "/openapi.json", None),
    ("post", "/examples/simple", {}),
    ("post", "/examples/simple", {"input": 3.5}),
    ("post", "/examples/batch", {}),
    ("post", "/predict", {"model_id": "iris", "inputs": ROW, "priority": 1, "timeout": 5.5}),
    ("post", "/predict/{model}", {"features": ROW, "id": "mine"}),
    ("post", "/predict/{model}", {"inputs": ROW, "top_k": 2}),
    ("post", "/predict/{model}", {"features": ROW, "top_k": 2}),
    ("post", "/predict/{model}/batch", {"inputs": [ROW, [1]], "top_k": 2}),
    ("post", "/predict/{model}/batch", {"inputs": [[1], [2]]}),
    ("post", "/predict/{model}/batch", {"instances": [ROW, [1]], "top_k": 2}),
    ("post", "/predict/{model}", {"instances": [ROW, {"features": ROW}], "max_parallelism": 2}),
    ("post", "/predict/batch", {"model_id": "iris", "inputs": [ROW, ROW]}),
    ("post", "/predict/{model}/batch", {"instances": [{"features": ROW}]}),
    ("post", "/predict/{model}/versions/{version}", {"inputs": ROW}),
    ("post", "/predict/{model}/versions/{version}/batch", {"inputs": [ROW, [1]]}),
    ("get", "/v2", None),
    ("get", "/v2/health/live", None),
    ("get", "/v2/health/ready", None),
    ("get", "/v2/models/stats", None),
    ("get", "/v2/models/{model}", None),
    ("get", "/v2/models/{model}/ready", None),
    ("get", "/v2/models/{model}/stats", None),
    ("get", "/v2/models/{model}/versions/{version}", None),
    ("get", "/v2/models/{model}/versions/{version}/ready", None),
    ("get", "/v2/models/{model}/versions/{version}/stats", None),
    ("post", "/v2/models/{model}/infer", INFER),
    ("post", "/v2/models/{model}/versions/{version}/infer", INFER),
    ("post", "/v2/repository/index", {}),
    ("post", "/v2/repository/index", {"ready": True}),
]


@pytest.mark.parametrize(("method", "path", "body"), CALLS)
def test_requests_and_answers_are_as_documented(server, document, method, path, body):
    operation = document["paths"][path][method]
    if body is not None:
        content = operation["requestBody"]["content"]["application/json"]
        validate(document, content["schema"], body)
    concrete = path.replace("{model}", "iris").replace("{version}", "1")
    kwargs = {} if body is None else {"json": body}
    response = server.session.request(method, server.url + concrete, timeout=PATIENCE, **kwargs)
    assert response.status_code == 200, response.text
    documented = operation["responses"]["200"]["content"]["application/json"]["schema"]
    validate(document, documented, response.json())


@pytest.mark.parametrize(
    ("path", "method", "status", "body"),
    [
        ("/models/{model}", "get", 404, None),
        ("/predict/{model}", "post", 404, {"inputs": 1}),
        ("/predict", "post", 400, {"inputs": "text"}),
        ("/predict/batch", "post", 400, {"inputs": []}),
        ("/examples/simple", "post", 400, {"input": "text"}),
        ("/v2/models/{model}", "get", 404, None),
        ("/v2/models/{model}/ready", "get", 404, None),
        ("/v2/models/{model}/stats", "get", 404, None),
        ("/v2/models/{model}/infer", "post", 404, INFER),
        ("/v2/repository/index", "post", 400, {"ready": 1}),
    ],
)
def test_errors_are_as_documented(server, document, path, method, status, body):
    response = server.session.request(
        method, server.url + path.replace("{model}", "nosuch"), timeout=PATIENCE, json=body
    )
    assert response.status_code == status, response.text
    documented = document["paths"][path][method]["responses"][str(status)]
    validate(document, documented["content"]["application/json"]["schema"], response.json())


@pytest.mark.parametrize(
    "accept", ["text/html,application/xhtml+xml,*/*;q=0.8", "text/html", "TEXT/HTML"]
)
def test_the_root_is_a_page_to_a_browser(server, accept):
    response = server.get("/", headers={"Accept": accept})
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    assert response.text.startswith("<!doctype html>")


@pytest.mark.parametrize("accept", ["application/json", "*/*", None])
def test_the_root_is_json_to_everyone_else(server, accept):
    response = server.get("/", headers={"Accept": accept})
    assert response.headers["Content-Type"] == "application/json"
    body = response.json()
    assert body["name"] == "muster"
    assert body["version"] == muster("version").stdout.split()[1]
    assert body["status"] == "running"
    assert_is_now(body["timestamp"])


def test_the_root_lists_every_route_that_is_documented(server, document):
    documented = {f"{m.upper()} {p}" for p, m, _ in operations(document)}
    listed = server.get("/").json()["endpoints"]
    assert sorted(listed) == sorted(documented - {"GET /", "GET /page.css", "GET /page.js"})


def test_a_page_of_an_admitted_origin_may_call_and_another_may_not():
    with Server(
        EXAMPLES / "iris", args=["--cors-origins", "http://a.example,http://b.example"]
    ) as s:
        for origin in ("http://a.example", "http://b.example"):
            preflight = s.session.options(
                s.url + "/predict",
                headers={
                    "Origin": origin,
                    "Access-Control-Request-Method": "POST",
                    "Access-Control-Request-Headers": "content-type",
                },
                timeout=PATIENCE,
            )
            assert preflight.status_code in (200, 204)
            assert preflight.headers["Access-Control-Allow-Origin"] == origin
            assert "POST" in preflight.headers["Access-Control-Allow-Methods"]
            assert "content-type" in preflight.headers["Access-Control-Allow-Headers"].lower()
            for path in ("/health", "/nowhere"):  # a page shall be able to read errors too
                response = s.get(path, headers={"Origin": origin})
                assert response.headers["Access-Control-Allow-Origin"] == origin
                assert "origin" in response.headers["Vary"].lower()
        other = s.get("/health", headers={"Origin": "http://c.example"})
        assert "Access-Control-Allow-Origin" not in other.headers


# Configuration


def settings_of_help():
    """Name and kind of value of each setting that `muster serve --help` lists."""
    text = muster("serve", "--help").stdout
    return dict(re.findall(r"^\s+--([a-z-]+) (\S+)", text, re.MULTILINE))


def test_the_configuration_shows_every_setting_of_the_help(server):
    config = server.get("/config").json()
    flags = {name.replace("-", "_") for name in settings_of_help()} - {"config"}
    assert flags == config.keys() - {"models"}
    assert config["models"] == [str(EXAMPLES)]
    assert config["default_timeout_ms"] == 30_000
    assert config["max_body_bytes"] == 64 << 20
    assert config["cancel_on_half_close"] is True
    assert config["cors_origins"] == []


def test_the_documentation_names_every_setting(server):
    text = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"`([a-z_]+)`", text))
    assert server.get("/config").json().keys() - documented == set()


def test_flags_win_over_the_environment_and_that_over_the_file(tmp_path):
    file = tmp_path / "config.yaml"
    settings = {
        "models": [str(EXAMPLES / "iris")],
        "max_url_bytes": 1000,
        "header_timeout_ms": 1000,
        "idle_timeout_ms": 1000,
        "cors_origins": ["http://a.example", "http://b.example"],
        "cancel_on_half_close": False,
    }
    file.write_text(yaml.safe_dump(settings), encoding="utf-8")
    env = {"MUSTER_HEADER_TIMEOUT_MS": 2000, "MUSTER_IDLE_TIMEOUT_MS": 2000}
    args = ["--config", file, "--idle-timeout-ms", "3000"]
    with Server(args=args, env=env) as server:
        config = server.get("/config").json()
        assert config["max_url_bytes"] == 1000
        assert config["header_timeout_ms"] == 2000
        assert config["idle_timeout_ms"] == 3000
        assert config["cors_origins"] == ["http://a.example", "http://b.example"]
        assert config["cancel_on_half_close"] is False
        assert [m["name"] for m in server.get("/models").json()["models"]] == ["iris"]


def test_the_port_can_be_set_by_the_environment():
    port = free_port()
    args = ["--metrics-port", "-1", "--drain-delay-ms", "0"]
    env = {"MUSTER_HTTP_PORT": port}
    with Server(EXAMPLES / "iris", args=args, env=env, defaults={}) as server:
        assert server.address[1] == port
        assert server.get("/health/live").status_code == 200


def test_the_config_file_can_be_named_by_the_environment(tmp_path):
    file = tmp_path / "config.yaml"
    file.write_text(f"models: {EXAMPLES / 'iris'}\nmax_url_bytes: 1234\n", encoding="utf-8")
    with Server(env={"MUSTER_CONFIG": file}) as server:
        assert server.get("/config").json()["max_url_bytes"] == 1234


def fails(code, *args, env=None):
    """Standard error of a command that must end with `code`, in words and without a stack."""
    done = muster(*args, env=env)
    assert done.returncode == code, done
    assert done.stdout == ""
    assert done.stderr.strip()
    return done.stderr


def test_an_unknown_key_of_the_config_file_is_named_with_its_line_and_the_nearest(tmp_path):
    file = tmp_path / "config.yaml"
    file.write_text("host: 127.0.0.1\n# a remark\nhttp_prt: 8000\n", encoding="utf-8")
    error = fails(2, "serve", EXAMPLES, "--config", file)
    assert "config.yaml line 3" in error
    assert "http_prt" in error
    assert "http_port" in error


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("http_port: many\n", ["line 1", "http_port", "0 to 65535", "many"]),
        ("host: a\nhost: b\n", ["line 2", "`host`", "twice"]),
        ("- a\n- b\n", ["mapping"]),
        ("host: [\n", ["line"]),
        ("http_port: {a: 1}\n", ["line 1", "http_port"]),
    ],
)
def test_a_mistake_in_the_config_file_is_named_with_its_line(tmp_path, text, words):
    file = tmp_path / "config.yaml"
    file.write_text(text, encoding="utf-8")
    error = fails(2, "serve", EXAMPLES, "--config", file)
    for word in ["config.yaml", *words]:
        assert word in error


def test_a_config_file_that_does_not_exist_is_named(tmp_path):
    assert "nosuch.yaml" in fails(2, "serve", EXAMPLES, "--config", tmp_path / "nosuch.yaml")


@pytest.mark.parametrize(
    ("variable", "text", "words"),
    [
        ("MUSTER_HTTP_PORT", "many", ["MUSTER_HTTP_PORT", "0 to 65535", "many"]),
        ("MUSTER_HTTP_PRT", "1", ["MUSTER_HTTP_PRT", "`http_port`"]),
        ("MUSTER_CANCEL_ON_HALF_CLOSE", "maybe", ["true or false", "maybe"]),
    ],
)
def test_a_mistake_in_the_environment_is_named(variable, text, words):
    error = fails(2, "serve", EXAMPLES, env={variable: text})
    for word in words:
        assert word in error


@pytest.mark.parametrize("variable", ["MUSTER_SERVICE_HOST", "MUSTER_PORT_8000_TCP_PROTO"])
def test_variables_that_kubernetes_sets_for_a_service_called_muster_do_no_harm(variable):
    done = muster("version", env={variable: "tcp"})
    assert done.returncode == 0, done.stderr


# Command line


def test_the_help_lists_the_commands():
    done = muster("--help")
    assert done.returncode == 0
    for command in ("serve", "models", "predict", "version"):
        assert re.search(rf"^\s+{command}\s+\S", done.stdout, re.MULTILINE)


def test_the_help_of_serve_explains_every_setting_with_its_kind_of_value():
    done = muster("serve", "--help")
    assert done.returncode == 0
    kinds = settings_of_help()
    assert kinds["http-port"] == "PORT"
    assert kinds["default-timeout-ms"] == "MS"
    assert kinds["config"] == "FILE"
    assert "PATH" in done.stdout
    assert len(kinds) >= 20


def test_without_a_command_the_help_is_pointed_to():
    assert "--help" in fails(2)


def test_a_wrong_flag_is_named():
    error = fails(2, "serve", EXAMPLES, "--http-prt", "1")
    assert "--http-prt" in error
    assert "--help" in error


def test_a_mistyped_flag_is_named_with_the_nearest():
    assert "Did you mean --http-port?" in fails(2, "serve", EXAMPLES, "--http-prt", "0")


def test_a_wrong_command_is_named():
    assert "sreve" in fails(2, "sreve", EXAMPLES)


@pytest.mark.parametrize(
    ("flag", "text", "words"),
    [
        ("--http-port", "many", ["0 to 65535", "many"]),
        ("--http-port", "65536", ["0 to 65535", "65536"]),
        ("--http-port", "", []),
        ("--io-threads", "0", ["1 to 256"]),
        ("--log-level", "loud", ["debug, info, warning or error", "loud"]),
        ("--cancel-on-half-close", "yes", ["true or false", "yes"]),
        ("--default-timeout-ms", "500000", ["default_timeout", "max_timeout"]),
    ],
)
def test_a_bad_value_is_named_with_what_was_expected(flag, text, words):
    error = fails(2, "serve", EXAMPLES, f"{flag}={text}")
    for word in [flag.removeprefix("--").split("-")[0], *words]:
        assert word in error


def test_a_flag_without_its_value_is_named():
    assert "--http-port" in fails(2, "serve", EXAMPLES, "--http-port")


def test_serving_nothing_says_how_to_name_models():
    error = fails(1, "serve", "--http-port", "0")
    assert "PATH" in error


def test_serving_a_path_that_does_not_exist_names_it(tmp_path):
    assert "nosuch" in fails(1, "serve", tmp_path / "nosuch", "--http-port", "0")


def test_serving_a_folder_without_models_names_it(tmp_path):
    error = fails(1, "serve", tmp_path, "--http-port", "0")
    assert str(tmp_path) in error
    assert "model.onnx" in error


def test_serving_one_name_twice_names_it():
    error = fails(1, "serve", EXAMPLES, EXAMPLES / "iris", "--http-port", "0")
    assert "iris" in error
    assert "twice" in error


def test_a_port_in_use_is_named(server):
    host, port = server.address
    error = fails(1, "serve", EXAMPLES / "iris", "--http-port", port, "--metrics-port", "-1")
    assert host in error
    assert str(port) in error
    assert "in use" in error


def test_a_port_for_metrics_that_is_in_use_is_an_error_where_it_was_asked_for(server):
    port = server.address[1]
    error = fails(1, "serve", EXAMPLES / "iris", "--http-port", "0", "--metrics-port", port)
    assert str(port) in error


def test_the_output_of_serve_proposes_requests_that_work(server):
    lines = [line.strip() for line in server.output if line.strip().startswith("curl")]
    assert len(lines) == 3
    for line in lines:
        match = re.fullmatch(r"curl -s (\S+) -H 'Content-Type: application/json' -d '(.*)'", line)
        assert match, line
        assert match[1].startswith(server.url)
        server.answer(match[1].removeprefix(server.url), json.loads(match[2]))


def test_the_models_command_prints_interface_labels_and_size():
    done = muster("models", EXAMPLES)
    assert done.returncode == 0
    for name in NAMES:
        assert f"{name} version 1 (onnx, " in done.stdout
    for words in (
        r"input +features +FP32 \[N, 4\]",
        r"output +label +INT64 \[N\]",
        r"labels +setosa versicolor virginica",
        r"515 B",
    ):
        assert re.search(words, done.stdout), words


def test_the_models_command_shows_a_broken_model_and_fails(tmp_path):
    copy_model(EXAMPLES / "iris", tmp_path)
    broken = copy_model(EXAMPLES / "example", tmp_path, "broken")
    (broken / "1" / "model.onnx").write_bytes(b"")
    done = muster("models", tmp_path)
    assert done.returncode == 1
    assert re.search(r"broken version 1\n\s+FAILED\s+\S", done.stdout)
    assert "iris version 1 (onnx" in done.stdout


@pytest.mark.parametrize("way", ["argument", "standard input"])
def test_the_predict_command_answers_as_the_server_does(server, way):
    body = {"inputs": IRIS[4]}
    text = json.dumps(body)
    args, stdin = (["--input", text], None) if way == "argument" else (["--input", "-"], text)
    done = muster("predict", EXAMPLES, "--model", "iris", *args, stdin=stdin)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    wanted = server.answer("/predict/iris", body)
    assert answer.keys() == wanted.keys()
    assert_close(answer["result"], wanted["result"])
    assert answer["model_name"] == "iris"


def test_the_predict_command_takes_a_model_file():
    file = EXAMPLES / "iris" / "1" / "model.onnx"
    done = muster("predict", "--model", file, "--input", json.dumps({"features": IRIS[4]}))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["prediction"] == expected()["iris"]["outputs"]["label"][4]


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--model", "irs", "--input", "{}"], ["irs"]),
        (["--model", "iris", "--input", "{"], []),
        (["--model", "iris", "--input", '{"inputs": [1]}'], ["inputs", "4", "1"]),
        (["--model", "iris", "--input", ""], []),
    ],
)
def test_the_predict_command_names_what_is_wrong(args, words):
    error = fails(1, "predict", EXAMPLES, *args)
    for word in words:
        assert word in error


def test_the_predict_command_needs_an_input():
    assert "--input" in fails(2, "predict", EXAMPLES, "--model", "iris")


def test_the_version_command_names_muster_and_its_runtime():
    done = muster("version")
    assert done.returncode == 0
    first, second = done.stdout.splitlines()
    assert re.fullmatch(r"muster \d+\.\d+\.\d+", first)
    assert re.search(r"ONNX Runtime.* \d+\.\d+", second, re.IGNORECASE)


# Models that cannot be loaded


@pytest.fixture(scope="module")
def broken(tmp_path_factory):
    """A repository with a good model and three broken ones, and a path that does not exist."""
    repository = tmp_path_factory.mktemp("repository")
    copy_model(EXAMPLES / "iris", repository)
    whole = (EXAMPLES / "breast_cancer" / "1" / "model.onnx").read_bytes()
    for name, content in {
        "truncated": whole[: len(whole) // 2],
        "empty": b"",
        "text": b"This is no model.\n" * 100,
    }.items():
        file = copy_model(EXAMPLES / "example", repository, name) / "1" / "model.onnx"
        file.write_bytes(content)
    with Server(repository, repository / "absent") as running:
        yield repository, running


BROKEN = ["absent", "empty", "text", "truncated"]


def test_broken_models_are_shown_as_failed_with_the_reason(broken):
    _, server = broken
    models = {m["name"]: m for m in server.get("/models").json()["models"]}
    assert sorted(models) == sorted([*BROKEN, "iris"])
    for name in BROKEN:
        assert models[name]["state"] == "FAILED"
        assert models[name]["reason"]
        assert server.model(name)["reason"] == models[name]["reason"]


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_model_is_503_and_the_others_answer(broken, name):
    _, server = broken
    response = server.post(f"/predict/{name}", {"inputs": 1})
    assert_is_error(response, 503, "MODEL_NOT_READY", name)
    answer = server.answer("/predict/iris", {"inputs": IRIS[0]})
    assert_close(answer["result"]["label"], 0)


def test_a_server_with_broken_models_is_degraded_but_ready(broken):
    _, server = broken
    health = server.get("/health").json()
    assert health["healthy"] is True
    assert health["status"] == "degraded"
    assert len(health["problems"]) == len(BROKEN)
    for name in BROKEN:
        assert any(name in problem for problem in health["problems"])
    assert server.get("/health/ready").status_code == 200
    families = exposition.parse(server.get("/metrics").text)
    for name, ready in [*((name, 0) for name in BROKEN), ("iris", 1)]:
        assert exposition.value(families, "muster_model_ready", model=name, version="1") == ready


@pytest.mark.parametrize("path", ["/health", "/models", "/models/empty", "/models/absent"])
def test_clients_do_not_learn_the_servers_paths(broken, path):
    repository, server = broken
    assert str(repository) not in server.get(path).text


def test_a_server_whose_only_model_is_broken_says_that_it_is_unhealthy(tmp_path):
    file = copy_model(EXAMPLES / "example", tmp_path) / "1" / "model.onnx"
    file.write_bytes(b"")
    with Server(tmp_path) as server:
        health = server.get("/health").json()
        assert health["healthy"] is False
        assert health["status"] == "unhealthy"
        assert health["checks"]["model_loaded"] is False
        assert_is_error(server.post("/predict", {"inputs": 1}), 503, "MODEL_NOT_READY")
        assert_is_error(server.post("/examples/batch", {}), 503, "MODEL_NOT_READY")


# Starting


@pytest.fixture
def loading(tmp_path):
    """A server that is still busy with the first of its models, whose proof takes a second."""
    copy_model(MODELS / "slow", tmp_path, "a_slow_one")
    copy_model(EXAMPLES / "iris", tmp_path)
    port = free_port()
    server = Server(tmp_path, args=["--http-port", port])
    server.url = f"http://127.0.0.1:{port}"
    server.start()
    try:
        wait_until(lambda: answers(server), "the port answers")
        yield server
    finally:
        server.__exit__()


def answers(server):
    try:
        return server.get("/health/live").status_code == 200
    except requests.ConnectionError:
        return False


def test_while_models_are_loaded_the_server_is_live_but_not_ready(loading):
    ready = loading.get("/health/ready")
    assert (ready.status_code, ready.json()) == (503, {"status": "loading"})
    assert loading.get("/health").json()["healthy"] is False
    wait_until(lambda: loading.get("/health/ready").status_code == 200, "all are loaded")
    assert loading.get("/health").json()["healthy"] is True
    assert loading.answer("/predict/iris", {"inputs": IRIS[0]})["result"]["label"] == 0


@pytest.mark.parametrize("model", ["a_slow_one", "iris"])
def test_a_model_that_is_yet_to_be_loaded_is_not_ready_rather_than_unknown(loading, model):
    response = loading.post(f"/predict/{model}", {"inputs": 1})
    assert_is_error(response, 503, "MODEL_NOT_READY", model)


def test_models_that_are_yet_to_be_loaded_are_listed(loading):
    states = {m["name"]: m["state"] for m in loading.get("/models").json()["models"]}
    assert states == {"a_slow_one": "LOADING", "iris": "LOADING"}


def test_a_server_can_be_stopped_while_it_loads(loading):
    loading.signal(signal.SIGTERM)
    assert loading.wait() == 0


# Stopping


DRAIN_DELAY_MS = 200


@pytest.fixture
def slow(tmp_path):
    """Serves a model of which one run at a time takes some 30 ms; gives the server and the rows of
    a request that outlasts the drain delay."""
    config = "instances: 1\nmax_batch_size: 1\nmax_queue_rows: 100000\n"
    copy_model(MODELS / "slow", tmp_path, config=config)
    with Server(tmp_path, args=["--drain-delay-ms", DRAIN_DELAY_MS]) as server:
        answer = server.answer("/predict", {"inputs": 1})
        run_ms = answer["metadata"]["processing_time"]["inference_ms"]
        yield server, math.ceil(2 * DRAIN_DELAY_MS / run_ms)


def busy(server):
    return server.model("slow")["batching"]["running"] == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stopping_server_answers_every_request_it_has_read(slow, number):
    server, rows = slow
    connections = [server.connect() for _ in range(3)]
    for i, connection in enumerate(connections):
        body = {"inputs": [float(100 * i + row) for row in range(rows)]}
        connection.send(wire.post("/predict/batch", body))
    wait_until(lambda: server.model("slow")["batching"]["waiting_requests"] >= 2, "a queue")
    idle = server.connect()
    half_read = server.connect()
    half_read.send(b"POST /predict HTTP/1.1\r\nHost: localhost\r\n")
    half_read.send(b"Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{")
    wait_until(lambda: server.get("/stats").json()["http"]["connections_open"] == 6, "6 open")

    server.signal(number)
    # While the drain delay lasts, a balancer may still send requests but should not.
    draining = {"status": "draining"}
    wait_until(lambda: server.get("/health/ready").json() == draining, "it says that it drains")
    assert server.get("/health/ready").status_code == 503
    assert server.get("/health/live").status_code == 200

    for i, connection in enumerate(connections):
        answer = connection.response()
        assert answer.status == 200, answer
        assert answer.headers["connection"] == "close"
        wanted = [float(100 * i + row) for row in range(rows)]
        assert_close(flat(answer.json()["predictions"]), wanted)
        connection.assert_ends()
    assert half_read.response().status == 503
    half_read.assert_ends()
    idle.assert_ends()
    assert server.wait() == 0
    with pytest.raises(requests.ConnectionError):
        requests.get(server.url + "/health/live", timeout=PATIENCE)


def test_at_a_terminal_ctrl_c_ends_a_server_without_delay():
    try:
        terminal, stdin = os.openpty()
    except OSError as error:  # a bare chroot or container may have no /dev/pts
        pytest.skip(f"no pseudo-terminal to be had: {error}")
    try:
        defaults = {"--http-port": "0", "--metrics-port": "-1"}  # and a drain delay of 3 s
        with Server(EXAMPLES / "iris", defaults=defaults, stdin=stdin) as server:
            server.signal(signal.SIGINT)
            assert server.wait() == 0
            assert time_between(server.errors, "draining", "drained") < 2.9
    finally:
        os.close(terminal)
        os.close(stdin)


def time_between(log, first, second):
    """Seconds between two lines of the log."""
    times = [
        datetime.fromisoformat(line.split()[0].replace("Z", "+00:00"))
        for word in (first, second)
        for line in log
        if re.search(rf" {word}\b", line)
    ]
    assert len(times) == 2, log
    return (times[1] - times[0]).total_seconds()


def test_a_second_signal_cuts_the_drain_delay_short():
    with Server(EXAMPLES / "iris", args=["--drain-delay-ms", "600000"]) as server:
        server.signal(signal.SIGTERM)
        wait_until(lambda: server.get("/health/ready").status_code == 503, "not ready")
        server.signal(signal.SIGTERM)
        assert server.wait(10) == 0


def test_a_second_signal_cuts_the_wait_for_unfinished_requests_short(slow):
    server, rows = slow
    connection = server.connect()
    # A thousand times as long as the delay: never finished in this test's time.
    connection.send(wire.post("/predict/batch", {"inputs": [1.0] * rows * 1000}))
    wait_until(lambda: busy(server), "a run")
    server.signal(signal.SIGTERM)
    wait_until(lambda: "draining" in "".join(server.errors), "the log to say so")
    server.signal(signal.SIGTERM)
    assert server.wait(10) == 0
    assert is_number(server.process.returncode)
