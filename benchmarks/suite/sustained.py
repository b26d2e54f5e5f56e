"""Close to capacity for a minute, with many seeds, and a short burst: the paced model."""

from .figures import Spread
from .load import bench
from .overload import BEFORE_S, FIXED_MS, PACED_CAPACITY, PACED_DEADLINE_MS, ROW_MS, Overload, flood, recovery
from .processes import paced
from .session import Session


def worst_stretch(series: list[dict], length: int) -> float:
    """The smallest share answered in time in any `length` stretches in a row."""
    shares = []
    for begin in range(max(1, len(series) - length + 1)):
        part = series[begin : begin + length]
        asked = sum(stretch["requests"] for stretch in part)
        shares.append(sum(stretch["good"] for stretch in part) / asked if asked else 1.0)
    return min(shares)


def run_seeds(s: Session):
    seconds = s.pick(60, 10)
    shares, worst = [], []
    for seed in range(1, s.pick(10, 2) + 1):
        with paced(ROW_MS, FIXED_MS) as server:
            run = bench(
                server, "paced", "--rate", f"{0.95 * PACED_CAPACITY:g}", "-d", seconds, "--warm-up", 2, "--seed", seed,
                "--slo-ms", PACED_DEADLINE_MS, "--timeout-ms", PACED_DEADLINE_MS, "--series-ms", 1000,
                "--check-share", 1, "--inputs", 32, timed=seconds,
            )  # fmt: skip
        shares.append(run["good_share"])
        worst.append(worst_stretch(run.series, 5))
        s.say(f"  seed {seed}: {shares[-1]:.2%} in time, worst 5 s {worst[-1]:.2%}")
    s.note("sustained", "good_share", shares)
    s.note("sustained", "worst_5_s", worst)
    s.line("sustained", [min(shares)], remark=f"of {len(shares)} seeds, median {Spread.of(shares).median:.3f}")
    s.line("sustained_collapse", [min(worst)])


def run_bursts(s: Session):
    load = Overload("paced", PACED_CAPACITY, PACED_DEADLINE_MS, 2, 2, 0.25)
    settled = []
    for seed in range(1, s.repeats + 1):
        with paced(ROW_MS, FIXED_MS) as server:
            run = flood(server, load, seed)
        after, _ = recovery(run, load)
        settled.append(8.0 if after is None else after)
        s.note("sustained", f"burst_{seed}", run.series)
    s.line("burst", settled, remark=f"half the capacity for {BEFORE_S} s before it, deadline {PACED_DEADLINE_MS} ms")


def run(s: Session):
    run_seeds(s)
    run_bursts(s)
