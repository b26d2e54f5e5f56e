"""1,024 connections opened at once under load."""

from .figures import Spread, number
from .load import bench
from .processes import EXAMPLES, muster
from .session import Session

OPEN, BURST = 64, 1024


def later_rate(run) -> float:
    """Answers 200/s from the burst, in the middle of the timed part, to the end."""
    series = run.series
    half = series[len(series) // 2 :]
    width = series[1]["at_s"] - series[0]["at_s"]
    return sum(stretch["ok"] for stretch in half) / (len(half) * width)


def run(s: Session):
    seconds = s.pick(6, 2)
    shape = ("-d", seconds, "--warm-up", 0.5, "--series-ms", 250)
    storms, calm, first = [], [], []
    with muster(EXAMPLES / "iris") as server:
        for _ in range(s.repeats):
            storm = bench(server, "iris", "-c", OPEN, "--connect-burst", BURST, *shape, timed=seconds)
            steady = bench(server, "iris", "-c", OPEN + BURST, *shape, timed=seconds)
            storms.append(later_rate(storm))
            calm.append(later_rate(steady))
            middle = storm.series[len(storm.series) // 2]
            first.append(
                {
                    "first_250_ms": middle["ok"] * 4,
                    "connect_p99_ms": storm["connect_p99_ms"],
                    "connect_failed": storm["connect_failed"],
                    "ok_share": storm["ok_share"],
                }
            )
    s.note("storm", "runs", first)
    spread = {key: Spread.of([run[key] for run in first]).median for key in first[0]}
    s.line(
        "storm", storms, calm,
        f"{number(spread['first_250_ms'])}/s in the first 250 ms, connected p99 {number(spread['connect_p99_ms'])} ms, "
        f"{spread['connect_failed']:.0f} failed, {spread['ok_share']:.2%} answered 200",
    )  # fmt: skip
