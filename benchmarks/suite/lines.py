"""Every line of docs/benchmarks.md: what is measured, and what it is held against."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Line:
    """`target` judges the ratio where there is a limit, else the figure itself."""

    group: str
    definition: str
    unit: str
    target: str


def _goodput(model: str, slo: int, arrivals: str) -> Line:
    return Line(
        "goodput",
        f"`{model}`, {arrivals} arrivals, 99 % within {slo} ms: `adaptive` / the best `window` of the grid",
        "requests/s",
        "≥ 1" if arrivals == "poisson" else "≥ 0.95",
    )


def _overload(group: str, what: str, factor: str) -> dict[str, Line]:
    name = f"overload_{what}_{factor}"
    times = f"`{what}` at {factor}× its capacity"
    return {
        name: Line(
            group,
            f"{times}: right answers in time / capacity",
            "requests/s",
            "≥ 0.98" if factor == "2" else "≥ 0.9",
        ),
        f"{name}_refusals": Line(group, f"{times}: p99 of the time to an answer 503", "ms", "≤ 10 ms"),
        f"{name}_recovery": Line(group, f"{times}: until p99 is as before, once it is over", "s", "≤ 5 s"),
    }


LINES: dict[str, Line] = {
    "start": Line("start", "process start to the first right answer, all examples", "ms", "≤ 100 ms"),
    "memory": Line("start", "resident memory then", "MiB", "≤ 60 MiB"),
    "iris_64": Line("iris", "`iris`, JSON single rows, 64 connections: muster / echo limit", "requests/s", "≥ 0.85"),
    "iris_256": Line("iris", "the same, 256 connections", "requests/s", "≥ 0.85"),
    "iris_1": Line("iris", "one connection: p50 of muster − p50 of the echo limit − a bare run", "µs", "≤ 10 µs"),
    "breast_cancer": Line(
        "models", "`breast_cancer` (200 trees), 64 connections: muster / combined limit", "requests/s", "≥ 0.85"
    ),
    "breast_cancer_mlp": Line(
        "models", "`breast_cancer_mlp`, 64 connections: muster / combined limit", "requests/s", "≥ 0.85"
    ),
    "mobilenet_bare": Line(
        "mobilenet",
        "`mobilenet_v2`, raw bodies of 602,112 bytes, 64 connections, all cores shared with the load: "
        "muster / bare engine (an instance of one thread a core)",
        "requests/s",
        "≥ 0.9",
    ),
    "mobilenet": Line("mobilenet", "the same: muster / combined limit", "requests/s", "≥ 0.95"),
    "image_decode": Line(
        "images",
        "a JPEG of 1280 × 960 made a row of 224 × 224: all of it / libjpeg-turbo's scaled decoding alone",
        "ms",
        "≤ 1.3",
    ),
    "image_resize": Line(
        "images",
        "the same from the decoded picture: resized and normalised / by Pillow and numpy",
        "pictures/s",
        "≥ 2",
    ),
    "image_mobilenet": Line(
        "images",
        "`mobilenet_v2`, JPEGs of 1280 × 960, 64 connections, all cores shared with the load: "
        "muster / combined limit with decoding",
        "requests/s",
        "≥ 0.9",
    ),
    "goodput_iris_poisson": _goodput("iris", 10, "poisson"),
    "goodput_iris_bursty": _goodput("iris", 10, "bursty"),
    "goodput_breast_cancer_mlp_poisson": _goodput("breast_cancer_mlp", 20, "poisson"),
    "goodput_breast_cancer_mlp_bursty": _goodput("breast_cancer_mlp", 20, "bursty"),
    "goodput_mobilenet_v2_poisson": _goodput("mobilenet_v2", 250, "poisson"),
    "goodput_mobilenet_v2_bursty": _goodput("mobilenet_v2", 250, "bursty"),
    **_overload("overload", "paced", "2"),
    **_overload("overload", "paced", "10"),
    **_overload("overload", "mobilenet_v2", "2"),
    **_overload("overload", "mobilenet_v2", "10"),
    "overload_iris": Line(
        "flood",
        "`iris` at twice its capacity, or at 0.9 of what could be refused: right answers within 10 ms / "
        "capacity · (1 − refusals/s · CPU time of a refusal)",
        "requests/s",
        "≥ 0.9",
    ),
    "overload_breast_cancer_mlp": Line(
        "flood", "the same for `breast_cancer_mlp` within 20 ms", "requests/s", "≥ 0.9"
    ),
    "sustained": Line(
        "sustained", "`paced` at 95 % of its capacity: share answered in time, of the worst seed", "", "≥ 0.9"
    ),
    "sustained_collapse": Line(
        "sustained", "the same: share answered in time in the worst 5 s of all seeds", "", "≥ 0.5"
    ),
    "burst": Line(
        "sustained",
        "`paced` at half its capacity, twice it for 2 s: until p99 is as before, once it is over",
        "s",
        "≤ 2 s",
    ),
    "storm": Line(
        "storm",
        "`iris` while 1,024 connections are opened at once, and on them: rate / rate with them open",
        "requests/s",
        "≥ 0.95",
    ),
}


def groups() -> list[str]:
    """In the order in which they are measured."""
    return [*dict.fromkeys(line.group for line in LINES.values()), "curves"]
