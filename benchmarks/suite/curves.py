"""Latency over load, for each policy; only plotted."""

from .figures import Failure, number
from .load import bench, closed
from .processes import EXAMPLES, muster, with_settings
from .session import Session

POLICIES = {
    "adaptive": {},
    "window 16 / 5 ms": {"policy": "window", "max_batch_size": 16, "max_wait_ms": 5},
    "window 16 / 10 ms": {"policy": "window", "max_batch_size": 16, "max_wait_ms": 10},
    "none": {"policy": "none"},
}
LOADS = [0.05, 0.1, 0.2, 0.3, 0.45, 0.6, 0.75, 0.85, 0.95]


def curve(s: Session, name: str, setting: dict[str, object], capacity: float) -> list[dict]:
    """p50 and p99 at shares of `capacity`, until the server no longer keeps up."""
    points = []
    with muster(with_settings(EXAMPLES / name, s.folder, setting)) as server:
        for load in s.pick(LOADS, [0.1, 0.4, 0.8]):
            rate = load * capacity
            run = bench(
                server, name, "--rate", f"{rate:g}", "-d", s.pick(1.5, 0.5), "--warm-up", 0.5, "--inputs", 64,
                "--give-up-ms", 2000, timed=3,
            )  # fmt: skip
            if run["ok_share"] < 0.99 or run["p50_ms"] > 500:
                break
            points.append({"rate": rate, "p50_ms": run["p50_ms"], "p99_ms": run["p99_ms"]})
    return points


def run(s: Session):
    for name in ("iris", "breast_cancer_mlp"):
        with muster(EXAMPLES / name) as server:
            capacity = closed(server, name, 64, s.seconds)["rate"]
        curves = {policy: curve(s, name, setting, capacity) for policy, setting in POLICIES.items()}
        if not any(curves.values()):
            raise Failure(f"{name}: no policy kept up with any load")
        s.note("curves", name, {"capacity": capacity, "policies": curves})
        for policy, points in curves.items():
            shown = ", ".join(f"{number(p['rate'])}/s {number(p['p50_ms'])}|{number(p['p99_ms'])}" for p in points)
            s.say(f"  {name}, {policy}: p50|p99 ms at {shown or 'no load'}")
