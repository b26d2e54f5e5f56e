"""The two load generators: muster bench, and wrk as a second opinion on a closed loop's rate."""

import dataclasses
import json
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from .figures import Failure
from .processes import MUSTER, ROOT, Process, environment, load_core


@dataclasses.dataclass
class Run:
    """One run of muster bench: figures by their names in its report, and a few by our own."""

    report: dict

    @property
    def run(self) -> dict:
        return self.report["runs"][0]

    def __getitem__(self, name: str) -> float:
        return self.run.get(name, 0.0)

    @property
    def series(self) -> list[dict]:
        return self.run["series"]

    @property
    def generator_was_the_limit(self) -> bool:
        return self.run["generator_was_the_limit"]

    def answers(self, *codes: int) -> int:
        return sum(self.run["status"].get(str(code), 0) for code in codes)


def bench(server: Process, model: str, *arguments: str | float, cores: str = "", timed: float = 10) -> Run:
    """Answers are compared before and while timing: a wrong one is a Failure. `timed` is about how
    long it may take, in seconds; `cores` says which ones the load has, "any" that the kernel may
    choose. Runs that got no answer 200 are runs too."""
    command = [str(MUSTER), "bench", f"{server.url}/predict/{model}", "--json", "-", *map(str, arguments)]
    if cores != "any":
        command += ["--cores", cores or load_core()]
    try:
        result = subprocess.run(command, capture_output=True, text=True, env=environment(), timeout=timed * 3 + 60)
    except subprocess.TimeoutExpired:
        raise Failure(f"no end after {timed * 3 + 60:.0f} s: {' '.join(command[1:])}") from None
    if not result.stdout:
        raise Failure(result.stderr.strip().splitlines()[-1] if result.stderr else "muster bench said nothing")
    run = Run(json.loads(result.stdout))
    if not run.report["runs"]:
        raise Failure("muster bench was interrupted")
    if run["answers_wrong"]:
        raise Failure(result.stderr.strip().splitlines()[-1])
    return run


def closed(
    server: Process, model: str, connections: int, seconds: float, *arguments: str | float, cores: str = "",
    warm_up: float = 0.3,
) -> Run:  # fmt: skip
    """A closed loop of which every request is answered 200."""
    shape = ("-c", connections, "-d", seconds, "--warm-up", warm_up)
    run = bench(server, model, *shape, *arguments, cores=cores, timed=seconds)
    if run["ok_share"] < 1:
        raise Failure(f"closed loop of {model}: only {run['ok_share']:.2%} of the requests were answered 200")
    return run


def cpu_per_request(
    server: Process, model: str, connections: int, seconds: float, *arguments: str | float, cores: str = ""
) -> float:
    """CPU seconds of the server for each request of a closed loop, whatever it is answered. The few
    requests that check the answers beforehand are among them."""
    before = server.cpu_seconds()
    shape = ("-c", connections, "-d", seconds, "--warm-up", 0, "--inputs", 16)
    run = bench(server, model, *shape, *arguments, cores=cores, timed=seconds)
    return (server.cpu_seconds() - before) / (run["requests"] + 16)


def wrk_rate(server: Process, path: str, bodies: list[str], connections: int, seconds: int) -> float | None:
    """None where there is no wrk."""
    if not shutil.which("wrk"):
        return None
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("\n".join(bodies) + "\n")
        file.flush()
        command = ["taskset", "-c", load_core(), "wrk", "-t1", f"-c{connections}", f"-d{seconds}s"]
        command += ["--timeout", "10s", "-s", str(ROOT / "benchmarks/cycle.lua"), server.url, "--", path, file.name]
        output = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60).stdout
    match = re.search(r"RESULT (\S+) (\S+) (\S+)", output)
    if not match or int(match.group(3)):
        raise Failure("wrk: " + (f"{match.group(3)} of {match.group(1)} requests failed" if match else "no result"))
    return int(match.group(1)) / float(match.group(2))


def bare_engine(
    model: Path, batch_sizes: list[int], instances: int, seconds: float, cores: str
) -> list[dict]:
    """The points of muster bench model, one a batch size: rows_per_s, median_ms, …"""
    with tempfile.NamedTemporaryFile("r", suffix=".json") as file:
        command = ["taskset", "-c", cores, str(MUSTER), "bench", "model", str(model), "--threads", "1"]
        command += ["--instances", str(instances), "--batch-sizes", ",".join(map(str, batch_sizes))]
        command += ["--seconds", f"{seconds:g}", "--json", file.name]
        result = subprocess.run(command, capture_output=True, text=True, env=environment(), timeout=600)
        if result.returncode != 0:
            raise Failure((result.stderr.strip().splitlines() or ["muster bench model failed"])[-1])
        return json.load(file)["curves"][0]["points"]
