"""A client of the batch example, as a user would write it to try a server."""

import statistics
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import requests


class BatchClient:
    """Calls POST /examples/batch of one server. Thread-safe: each thread has its own connection."""

    def __init__(self, url, timeout=30.0):
        self.url = url.rstrip("/")
        self.timeout = timeout
        self.local = threading.local()

    def _post(self, path, body):
        if not hasattr(self.local, "session"):
            self.local.session = requests.Session()
        return self.local.session.post(self.url + path, json=body, timeout=self.timeout)

    def call(self):
        """The answer of one call and its milliseconds; raises where it is no success."""
        begin = time.perf_counter()
        reply = self._post("/examples/batch", {})
        elapsed_ms = (time.perf_counter() - begin) * 1e3
        reply.raise_for_status()
        answer = reply.json()
        if not answer["response"]["success"]:
            raise RuntimeError("the server reports no success")
        return answer, elapsed_ms

    def _calls(self, rounds):
        calls, failures = [], []
        for _ in range(rounds):
            try:
                calls.append(self.call())
            except (requests.RequestException, RuntimeError) as failure:
                failures.append(str(failure))
        return calls, failures

    def reachable(self):
        return not self._calls(1)[1]

    def benchmark(self, rounds=10):
        calls, failures = self._calls(rounds)
        responses = [answer["response"] for answer, _ in calls]
        times = [response["inference_time_ms"] for response in responses]
        return {
            "rounds": rounds,
            "failures": failures,
            "success_rate": 100 * len(calls) / rounds,
            "elapsed_ms": spread([elapsed for _, elapsed in calls]),
            "inference_ms": spread(times),
            "batch_sizes": [answer["input_count"] for answer, _ in calls],
            "predictions_per_second": [5e3 / ms for ms in times if ms > 0],
        }

    def consistency(self, rounds=20):
        calls, failures = self._calls(rounds)
        predictions = [answer["response"]["predictions"] for answer, _ in calls]
        infos = [answer["response"]["batch_info"] for answer, _ in calls]
        return {
            "rounds": rounds,
            "failures": failures,
            "lengths": [len(p) for p in predictions],
            "success_rates": [
                100 * info["successful_predictions"] / info["batch_size"] for info in infos
            ],
            "deterministic": all(p == predictions[0] for p in predictions),
            "predictions": predictions[0] if predictions else None,
            "inference_ms": spread([a["response"]["inference_time_ms"] for a, _ in calls]),
        }

    def stress(self, workers=4, seconds=5.0):
        """Calls from `workers` threads, one after the other in each, for so long."""
        end = time.monotonic() + seconds

        def work(_):
            done, failures, rows = 0, [], 0
            while time.monotonic() < end:
                calls, failed = self._calls(1)
                failures += failed
                for answer, _ in calls:
                    done += 1
                    rows += answer["response"]["batch_info"]["successful_predictions"]
            return done, failures, rows

        with ThreadPoolExecutor(workers) as pool:
            results = list(pool.map(work, range(workers)))
        succeeded = sum(done for done, _, _ in results)
        failures = [failure for _, failed, _ in results for failure in failed]
        return {
            "workers": workers,
            "seconds": seconds,
            "succeeded": succeeded,
            "failures": Counter(failures),
            "success_rate": 100 * succeeded / max(1, succeeded + len(failures)),
            "calls_per_worker": [done for done, _, _ in results],
            "predictions": sum(rows for _, _, rows in results),
            "calls_per_second": succeeded / seconds,
        }

    def batch_against_single(self, rounds=10):
        """The same five inputs in one call and in five."""
        batch_ms, single_ms, differences = [], [], []
        for _ in range(rounds):
            answer, elapsed = self.call()
            batch_ms.append(elapsed)
            begin = time.perf_counter()
            singles = [self._post("/examples/simple", {"input": i}) for i in range(1, 6)]
            single_ms.append((time.perf_counter() - begin) * 1e3)
            for row, reply in zip(answer["response"]["predictions"], singles, strict=True):
                reply.raise_for_status()
                result = reply.json()["response"]["result"]
                differences += [abs(a - b) for a, b in zip(row, result, strict=True)]
        return {
            "rounds": rounds,
            "batch_ms": spread(batch_ms),
            "single_ms": spread(single_ms),
            "speedup": statistics.mean(single_ms) / statistics.mean(batch_ms),
            "largest_difference": max(differences),
        }


def spread(numbers):
    if not numbers:
        return None
    return {
        "least": min(numbers),
        "median": statistics.median(numbers),
        "mean": statistics.mean(numbers),
        "most": max(numbers),
        "deviation": statistics.stdev(numbers) if len(numbers) > 1 else 0.0,
    }
