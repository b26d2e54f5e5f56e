"""iris, JSON single rows: the server against the echo limit, and both against what lies below them."""

import json
import random
import tempfile
from functools import partial

from .figures import Spread, number
from .load import bare_engine, bench, closed, wrk_rate
from .processes import BUILD, EXAMPLES, Process, echo, muster, server_core, together
from .session import Session

MODEL = EXAMPLES / "iris"


def bodies() -> list[str]:
    """512 distinct rows, the same in every run, for servers that cannot say what they take."""
    rng = random.Random(1)
    return [json.dumps({"inputs": [round(rng.uniform(0.1, 8.0), 1) for _ in range(4)]}) for _ in range(512)]


def pairs(s: Session, servers: dict[str, Process], connections: int) -> dict[str, list]:
    """Runs of the server and of the echo, alternating."""
    runs = {name: [] for name in ("muster", "echo")}
    for _ in range(s.repeats):
        for name, done in runs.items():
            done.append(closed(servers[name], "iris", connections, s.seconds))
    return runs


def limits_below(s: Session, servers: dict[str, Process]):
    """The connection without codec, and a bare epoll loop that answers as many bytes."""
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as file:
        file.write("\n".join(bodies()) + "\n")
        file.flush()
        rates = {}
        for name in ("echo", "connection", "epoll"):
            if name in servers:
                run = bench(
                    servers[name], "iris", "--data", file.name, "--check-share", 0, "-c", 64, "-d", s.seconds,
                    "--warm-up", 0.3,
                )  # fmt: skip
                rates[name] = run["rate"]
    s.note("iris", "below", rates)
    s.say("  64 connections, one run each: " + ", ".join(f"{n} {number(r)}/s" for n, r in rates.items()))


def hand_over(s: Session, runs: dict[str, list]):
    """What one lone request costs above the echo and the model's own run."""
    bare = bare_engine(MODEL, [1], 1, s.pick(1, 0.3), server_core())[0]["median_ms"]
    above = [(m["p50_ms"] - e["p50_ms"] - bare) * 1e3 for m, e in zip(runs["muster"], runs["echo"])]
    s.note("iris", "bare_run_us", bare * 1e3)
    p50 = {name: Spread.of([run["p50_ms"] for run in done]).median * 1e3 for name, done in runs.items()}
    s.line(
        "iris_1", above,
        remark=f"p50 {p50['muster']:.0f} µs, echo {p50['echo']:.0f} µs, a bare run {bare * 1e3:.1f} µs",
    )  # fmt: skip


def run(s: Session):
    starts = {"muster": partial(muster, MODEL), "echo": partial(echo, "model", MODEL)}
    starts["connection"] = partial(echo, "connection")
    if (BUILD / "benchmarks/epoll_echo").exists():
        starts["epoll"] = partial(Process, BUILD / "benchmarks/epoll_echo", "0", "540")
    with together(starts) as servers:
        for connections in (64, 256):
            runs = pairs(s, servers, connections)
            rates = {name: [run["rate"] for run in done] for name, done in runs.items()}
            s.note("iris", f"rates_{connections}", rates)
            limited = any(run.generator_was_the_limit for done in runs.values() for run in done)
            remark = "the load generator was the limit in some runs" if limited else ""
            s.line(f"iris_{connections}", rates["muster"], rates["echo"], remark)
        hand_over(s, pairs(s, servers, 1))
        limits_below(s, servers)
        rate = wrk_rate(servers["muster"], "/predict/iris", bodies(), 64, max(1, round(s.seconds)))
        if rate is not None:
            s.note("iris", "wrk_64", rate)
            own = Spread.of(s.groups["iris"]["rates_64"]["muster"]).median
            s.say(f"  wrk, 64 connections: {number(rate)}/s, {rate / own:.2f} of what muster bench saw")
