"""A Python client tries the batch example: can it be reached, how fast, is it consistent."""

import pytest

from batch_client import BatchClient
from support import EXAMPLES, Server, assert_close, expected, free_port


@pytest.fixture(scope="module")
def server():
    with Server(EXAMPLES) as running:
        yield running


@pytest.fixture(scope="module")
def client(server):
    return BatchClient(server.url)


def assert_spread(figures, low=0.0):
    assert low < figures["least"] <= figures["median"] <= figures["most"]
    assert figures["least"] <= figures["mean"] <= figures["most"]
    assert figures["deviation"] >= 0


def test_a_server_is_reachable_and_a_free_port_is_not(client):
    assert client.reachable() is True
    assert BatchClient(f"http://127.0.0.1:{free_port()}").reachable() is False


def test_a_benchmark_of_ten_rounds_succeeds_in_all(client):
    result = client.benchmark(rounds=10)
    assert result["failures"] == []
    assert result["success_rate"] == 100
    assert result["batch_sizes"] == [5] * 10
    assert len(result["predictions_per_second"]) == 10
    assert_spread(result["elapsed_ms"])
    assert_spread(result["inference_ms"])
    # The server's own time is part of what the client waits for.
    assert result["inference_ms"]["mean"] <= result["elapsed_ms"]["mean"]


def test_twenty_rounds_give_the_same_five_predictions(client):
    result = client.consistency(rounds=20)
    assert result["failures"] == []
    assert result["lengths"] == [5] * 20
    assert result["success_rates"] == [100.0] * 20
    assert result["deterministic"] is True
    assert_close(result["predictions"], expected()["example"]["outputs"]["probabilities"])
    assert_spread(result["inference_ms"])


def test_four_workers_for_two_seconds_see_no_failure_and_none_starves(client, server):
    before = server.model("example")
    result = client.stress(workers=4, seconds=2)
    after = server.model("example")
    assert result["failures"] == {}
    assert result["success_rate"] == 100
    assert result["predictions"] == 5 * result["succeeded"]
    assert len(result["calls_per_worker"]) == 4
    assert min(result["calls_per_worker"]) * 4 >= max(result["calls_per_worker"]), result
    assert result["calls_per_second"] > 10
    assert after["request_count"] - before["request_count"] == result["succeeded"]
    assert after["error_count"] == before["error_count"]


def test_one_batch_of_five_is_faster_than_five_single_predictions(client):
    result = client.batch_against_single(rounds=20)
    assert_spread(result["batch_ms"])
    assert_spread(result["single_ms"])
    assert result["speedup"] > 1
    assert result["largest_difference"] <= 1e-6
