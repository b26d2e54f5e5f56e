"""Models against the combined limit: their own speed, and the echo's CPU time for each request."""

from functools import partial
from pathlib import Path

from .figures import Spread, combined_limit, number
from .load import bare_engine, closed, cpu_per_request
from .processes import (
    EXAMPLES,
    Process,
    both_cores,
    echo,
    muster,
    require_mobilenet,
    server_core,
    together,
)
from .session import Session

SIZES = [1, 8, 16, 32, 64, 128, 256]


class Limits:
    """The bare engine at its best batch size, and the echo, measured again for each repeat."""

    def __init__(self, s: Session, model: Path, instances: int, cores: str, sizes: list[int]):
        self.model, self.instances, self.cores = model, instances, cores
        self.seconds = s.pick(1.0, 0.3)
        points = bare_engine(model, sizes, instances, self.seconds, cores)
        best = max(points, key=lambda point: point["rows_per_s"])
        self.batch = best["batch_size"]
        s.say(f"  {model.name}, bare engine: {number(best['rows_per_s'])} rows/s at {self.batch} rows a run")

    def bare(self) -> float:
        return bare_engine(self.model, [self.batch], self.instances, self.seconds, self.cores)[0]["rows_per_s"]


def measure(s: Session, limits: Limits, servers: dict[str, Process], inputs: int, *kind: str) -> dict[str, list]:
    """The server, the bare engine and the echo in turn, `repeats` times. Where the server has both
    cores the load has them too."""
    cores = len(limits.cores.split(","))
    name = limits.model.name
    load = "any" if cores > 1 else ""
    seconds = max(s.seconds, 3) if kind else s.seconds  # a row takes milliseconds
    figures: dict[str, list] = {"rate": [], "bare": [], "echo_cpu_us": [], "combined": []}
    for _ in range(s.repeats):
        run = closed(
            servers["muster"], name, 64, seconds, "--inputs", inputs, *kind, cores=load, warm_up=s.pick(1, 0.5)
        )
        cpu = cpu_per_request(servers["echo"], name, 64, s.pick(2, 1), *kind, cores=load)
        figures["rate"].append(run["rate"])
        figures["bare"].append(limits.bare())
        figures["echo_cpu_us"].append(cpu * 1e6)
        figures["combined"].append(combined_limit(figures["bare"][-1], cpu, cores))
    cpu = Spread.of(figures["echo_cpu_us"]).median
    bare = Spread.of(figures["bare"]).median
    s.say(f"  {name}: bare {number(bare)}/s, the echo's CPU time {number(cpu)} µs a request")
    return figures


def run(s: Session):
    for name in ("breast_cancer", "breast_cancer_mlp"):
        model = EXAMPLES / name
        limits = Limits(s, model, 1, server_core(), SIZES)
        starts = {"muster": partial(muster, model), "echo": partial(echo, "model", model)}
        with together(starts) as servers:
            figures = measure(s, limits, servers, 512)
        s.note("models", name, figures)
        s.line(name, figures["rate"], figures["combined"])


def run_mobilenet(s: Session):
    model = require_mobilenet()
    cores = both_cores()
    limits = Limits(s, model, len(cores.split(",")), cores, [1, 2, 4])
    starts = {"muster": partial(muster, model, cores), "echo": partial(echo, "model", model, cores=cores)}
    with together(starts) as servers:
        # 64 distinct images are 39 MB, more than the caches hold.
        figures = measure(s, limits, servers, 64, "--raw")
    s.note("mobilenet", "mobilenet_v2", figures)
    remark = f"server and load on cores {cores}"
    s.line("mobilenet_bare", figures["rate"], figures["bare"], remark)
    s.line("mobilenet", figures["rate"], figures["combined"], remark)
