"""Overload: what share of its capacity a server still answers in time when it is asked for more, how
soon it turns the rest away, and how soon it is itself again."""

import dataclasses

from .figures import Failure, Spread, combined_limit, number, settled_after
from .load import Run, bare_engine, bench, closed, cpu_per_request
from .processes import EXAMPLES, Process, echo, muster, paced, require_mobilenet, server_core
from .session import Session

BEFORE_S, AFTER_S = 5, 8
# The paced model: l(n) = 1n + 10 ms, at most 64 rows a run.
ROW_MS, FIXED_MS, ROWS = 1.0, 10.0, 64
PACED_CAPACITY = ROWS / (ROW_MS * ROWS + FIXED_MS) * 1e3
PACED_DEADLINE_MS = 100


@dataclasses.dataclass(frozen=True)
class Overload:
    """A load that is half the capacity, then `times` it for `seconds`, then half of it again."""

    name: str
    capacity: float
    deadline_ms: int
    times: int
    seconds: float
    width: float = 1.0  # of a stretch

    def phases(self) -> str:
        half = self.capacity / 2
        return f"{half:g}:{BEFORE_S},{self.times * self.capacity:g}:{self.seconds:g},{half:g}:{AFTER_S}"


def flood(server: Process, load: Overload, seed: int, *arguments: str | float) -> Run:
    return bench(
        server, load.name, "--phases", load.phases(), "--series-ms", load.width * 1e3, "--seed", seed,
        "--slo-ms", load.deadline_ms, "--timeout-ms", load.deadline_ms, "--give-up-ms", 5000, "--check-share", 1,
        "--warm-up", 1, "--inputs", 32, *arguments, timed=load.seconds + BEFORE_S + AFTER_S,
    )  # fmt: skip


def recovery(run: Run, load: Overload) -> tuple[float | None, float]:
    """Seconds until p99 is as before (a quarter above its worst stretch before), and that p99."""
    before = [stretch["p99_ms"] for stretch in run.series if stretch["at_s"] + load.width <= BEFORE_S]
    normal = max(before)
    return settled_after(run.series, BEFORE_S + load.seconds, load.width, normal * 1.25), normal


def good_rate(run: Run, load: Overload) -> float:
    """Right answers in time to requests of the overload, a second of it."""
    begin, end = BEFORE_S, BEFORE_S + load.seconds
    return sum(stretch["good"] for stretch in run.series if begin <= stretch["at_s"] < end) / load.seconds


def one(s: Session, server: Process, load: Overload, *arguments: str | float):
    name = f"overload_{load.name}_{load.times}"
    run = flood(server, load, 1, *arguments)
    settled, normal = recovery(run, load)
    s.note(
        "overload", name,
        {
            "capacity": load.capacity, "normal_p99_ms": normal, "series": run.series, "status": run.run["status"],
            "errors": run.run["errors"], "expired_p99_ms": run["expired_p99_ms"], "lag_p99_ms": run["lag_p99_ms"],
        },
    )  # fmt: skip
    asked = sum(stretch["requests"] for stretch in run.series if BEFORE_S <= stretch["at_s"] < BEFORE_S + load.seconds)
    limited = ", the generator was the limit" if run.generator_was_the_limit else ""
    s.line(
        name, [good_rate(run, load)], [load.capacity],
        f"asked {number(asked / load.seconds)}/s; {run.answers(200):,} × 200, {run.answers(503):,} × 503, "
        f"{run.answers(504):,} × 504, {sum(run.run['errors'].values()):,} errors{limited}",
    )  # fmt: skip
    if run.answers(503):
        s.line(f"{name}_refusals", [run["refused_p99_ms"]], remark=f"p99 of 504: {number(run['expired_p99_ms'])} ms")
    if settled is None:
        s.line(f"{name}_recovery", [float(AFTER_S)], remark=f"not within {AFTER_S} s; before {number(normal)} ms")
    else:
        s.line(f"{name}_recovery", [settled], remark=f"p99 before: {number(normal)} ms")


def run_paced(s: Session):
    for times in (2, 10):
        with paced(ROW_MS, FIXED_MS) as server:
            one(s, server, Overload("paced", PACED_CAPACITY, PACED_DEADLINE_MS, times, s.pick(30, 8)))


def run_mobilenet(s: Session):
    model = require_mobilenet()
    bare = max(p["rows_per_s"] for p in bare_engine(model, [1, 2, 4], 1, s.pick(2, 0.5), server_core()))
    with echo("model", model) as server:
        cpu = cpu_per_request(server, model.name, 64, s.pick(2, 1), "--raw")
    capacity = combined_limit(bare, cpu, 1)
    s.say(f"  mobilenet_v2: capacity {number(capacity)}/s (bare {number(bare)}/s, echo {cpu * 1e6:.0f} µs)")
    for times in (2, 10):
        with muster(model) as server:
            one(s, server, Overload(model.name, capacity, 250, times, s.pick(30, 8)), "--raw")


def run(s: Session):
    """Neither model's failure costs the other's figures."""
    failures = []
    for part in (run_paced, run_mobilenet):
        try:
            part(s)
        except Failure as reason:
            failures.append(str(reason))
            s.say(f"  {part.__name__} FAILED: {reason}")
    if failures:
        raise Failure("; ".join(failures))


def refusal_seconds(s: Session, name: str) -> float:
    """CPU time of an answer 503: of the echo, which refuses all but the first 16 requests."""
    with echo("model", EXAMPLES / name, "16") as server:
        return cpu_per_request(server, name, 64, s.pick(2, 0.5))


def flood_small(s: Session, server: Process, name: str, slo_ms: int, refusal: float, seed: int) -> dict[str, float]:
    """Rates of one run, and what they are of the capacity that was measured just before."""
    capacity = closed(server, name, 256, s.seconds)["rate"]
    rate = min(2 * capacity, 0.9 / refusal)
    run = bench(
        server, name, "--rate", f"{rate:g}", "--max-connections", 4096, "-d", s.seconds, "--warm-up", 0.5,
        "--slo-ms", slo_ms, "--timeout-ms", slo_ms, "--give-up-ms", 1000, "--seed", seed, timed=s.seconds,
    )  # fmt: skip
    refused = run.answers(503, 504) / s.seconds
    return {
        "good": run["good_share"] * run["requests"] / s.seconds,
        "limit": capacity * max(0.01, 1 - refused * refusal),
        "asked": rate / capacity,
        "answered": run.answers(200, 503, 504) / s.seconds / capacity,
        "generator_lag_p99_ms": run["lag_p99_ms"],
    }


def run_flood(s: Session):
    """Models so small that a refusal costs nearly as much as an answer: no more is asked than could be refused."""
    for name, slo_ms in (("iris", 10), ("breast_cancer_mlp", 20)):
        refusal = refusal_seconds(s, name)
        with muster(EXAMPLES / name) as server:
            runs = [flood_small(s, server, name, slo_ms, refusal, repeat + 1) for repeat in range(s.repeats)]
        s.note("flood", name, {"refusal_us": refusal * 1e6, "runs": runs})
        middle = {key: Spread.of([run[key] for run in runs]).median for key in runs[0]}
        s.line(
            f"overload_{name}", [run["good"] for run in runs], [run["limit"] for run in runs],
            f"asked {middle['asked']:.2f} of the capacity, answered {middle['answered']:.2f}; "
            f"a refusal costs {refusal * 1e6:.1f} µs; the generator's lag {number(middle['generator_lag_p99_ms'])} ms",
        )  # fmt: skip
