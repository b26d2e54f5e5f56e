"""benchmarks/run: what it computes and draws, and a short run of two groups."""

import json
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from support import PATIENCE, environment

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "benchmarks"))

from suite import document, figures, lines, plot, session, sustained  # noqa: E402
from suite.figures import GridPoint, Spread, Window  # noqa: E402
from suite.session import Session  # noqa: E402


def server_that_gives(limit):
    """The share of good answers of a server that is good up to `limit` requests/s."""
    return lambda rate: 1.0 if rate <= limit else 0.5


# Ratios, limits and targets


def test_ratios_are_those_of_the_pairs():
    assert figures.ratios([50, 90], [100, 100]) == [0.5, 0.9]
    with pytest.raises(ValueError):
        figures.ratios([1], [1, 2])


def test_the_combined_limit_adds_the_times_of_model_and_echo():
    assert figures.combined_limit(1000, 0.001, 1) == pytest.approx(500)
    assert figures.combined_limit(1000, 0.001, 2) == pytest.approx(1 / 0.0015)
    assert figures.combined_limit(1000, 0, 1) == pytest.approx(1000)


@pytest.mark.parametrize(
    ("value", "target", "met"),
    [(0.85, "≥ 0.85", True), (0.849, "≥ 0.85", False), (10, "≤ 10 ms", True), (10.1, "≤ 10 ms", False)],
)
def test_targets_are_bounds(value, target, met):
    assert figures.met(value, target) is met


def test_a_line_is_judged_by_the_median_ratio_where_it_has_a_limit(capsys, tmp_path):
    s = Session(1, 3, False, tmp_path)
    s.line("iris_64", [80.0, 90.0, 95.0], [100.0, 100.0, 100.0])
    s.line("start", [120.0])
    assert s.lines["iris_64"]["ratio"] == {"min": 0.8, "median": 0.9, "max": 0.95}
    assert s.lines["iris_64"]["met"] and not s.lines["start"]["met"]
    assert "90.0 / 100 requests/s = 0.900 (target ≥ 0.85: met" in capsys.readouterr().out


def test_spread_of_nothing_is_a_failure():
    assert Spread.of([3, 1, 2]) == Spread(1, 2, 3)
    with pytest.raises(figures.Failure):
        Spread.of([])


# The search for a rate and the choice from a grid


@pytest.mark.parametrize("first", [10, 900, 1000, 1100, 30_000])
def test_the_highest_rate_is_found_from_either_side(first):
    found = figures.highest_rate(server_that_gives(1000), first, 2, 0.03)
    assert 970 <= found.rate <= 1000
    assert all((good == 1.0) == (rate <= 1000) for rate, good in found.steps)


def test_a_server_that_is_never_good_ends_the_search():
    found = figures.highest_rate(server_that_gives(0), 100, 2, 0.03)
    assert found.rate == 0 and len(found.steps) <= 16


def test_the_grid_finds_the_best_setting_wherever_it_stands():
    goodput = {Window(size, delay): 100 * size - 10 * delay for size in (1, 8, 64) for delay in (1, 20)}
    for order in (list(goodput), list(reversed(goodput))):
        points = figures.grid_search(order, lambda window, rate: server_that_gives(goodput[window])(rate), 50)
        best = figures.best_points(points, 1)[0]
        assert best.window.size == 64
        assert best.rate == pytest.approx(goodput[best.window], rel=0.06)
        assert len(points) == 6


def test_a_setting_that_does_not_beat_the_best_costs_one_step():
    asked = []

    def good_share(window, rate):
        asked.append(window)
        return server_that_gives(1000 if window.size == 64 else 10)(rate)

    figures.grid_search([Window(64, 1), Window(1, 1), Window(8, 1)], good_share, 500)
    assert asked.count(Window(1, 1)) == asked.count(Window(8, 1)) == 1


def test_points_without_a_rate_are_ranked_by_how_near_they_came():
    near, far = GridPoint(Window(8, 1), 0, 100, 0.98), GridPoint(Window(1, 1), 0, 100, 0.2)
    found = GridPoint(Window(64, 1), 95, 95, 1.0)
    assert figures.best_points([far, near, found], 3) == [found, near, far]


def test_the_grid_is_printed_with_what_was_not_reached():
    text = figures.grid_text([GridPoint(Window(8, 0.5), 1234, 1000, 1), GridPoint(Window(8, 5), 0, 2000, 0.5)])
    assert text[0].split() == ["rows", "\\", "ms", "0.5", "5"]
    assert text[1].split() == ["8", "1,234", "<2,000"]


# Overload


def stretches(*p99s, width=1.0):
    return [{"at_s": i * width, "requests": 10, "ok": 10, "good": 10, "p99_ms": ms} for i, ms in enumerate(p99s)]


def test_a_server_has_settled_when_two_stretches_in_a_row_are_as_before():
    series = stretches(20, 90, 80, 20, 70, 20, 20)
    assert figures.settled_after(series, 2, 1.0, 25) == 3.0
    assert figures.settled_after(series, 5, 1.0, 25) == 0.0
    assert figures.settled_after(series, 2, 1.0, 10) is None
    series[6]["ok"] = 9
    assert figures.settled_after(series, 2, 1.0, 25) is None


def test_the_worst_stretches_in_a_row_are_found():
    series = stretches(1, 1, 1, 1)
    series[1]["good"], series[2]["good"] = 5, 0
    assert sustained.worst_stretch(series, 2) == 0.25
    assert sustained.worst_stretch(series, 9) == pytest.approx(25 / 40)


# Plots and the page


CURVES = [
    plot.Curve("adaptive", [1000, 50_000, 120_000], [0.08, 0.1, 2.5], [0.2, 0.4, 9.0]),
    plot.Curve("window <16> & 5 ms", [1000, 40_000], [5.1, 1.0], [5.3, 2.0]),
    plot.Curve("none", [], [], []),
]


def test_plots_are_small_well_formed_and_the_same_every_time():
    drawn = plot.latency_plot("iris", "a < b & c", CURVES)
    assert drawn == plot.latency_plot("iris", "a < b & c", CURVES)
    tree = ElementTree.fromstring(drawn)
    texts = ["".join(element.itertext()) for element in tree.iter("{http://www.w3.org/2000/svg}text")]
    assert {"a < b & c", "window <16> & 5 ms", "latency, ms", "p99"} <= set(texts)
    assert len(drawn) < 30_000
    # The picture, a bar each, and the legend.
    bars = plot.bar_plot("goodput", "", ["a", "b"], [("iris", "poisson", [100.0, 80.0]), ("mlp", "x", [10.0, 20.0])])
    assert len(list(ElementTree.fromstring(bars).iter("{http://www.w3.org/2000/svg}rect"))) == 1 + 4 + 2


def test_all_that_is_drawn_lies_within_the_picture():
    tree = ElementTree.fromstring(plot.latency_plot("t", "s", CURVES))
    for circle in tree.iter("{http://www.w3.org/2000/svg}circle"):
        assert plot.LEFT <= float(circle.get("cx")) <= plot.WIDTH - plot.RIGHT + 1
        assert plot.TOP - 1 <= float(circle.get("cy")) <= plot.HEIGHT - plot.BOTTOM + 1


def test_nothing_to_draw_is_an_error():
    with pytest.raises(ValueError):
        plot.latency_plot("t", "s", [CURVES[2]])


REPORT = {
    "lines": {
        "iris_64": {
            "measured": {"min": 1, "median": 120_000, "max": 2}, "limit": {"min": 1, "median": 140_000, "max": 2},
            "ratio": {"min": 0.8, "median": 0.857, "max": 0.9}, "met": True, "remark": "noted", "repeats": 5,
        },
        "start": {"measured": {"min": 120, "median": 130, "max": 140}, "met": False, "remark": "", "repeats": 5},
    },
    "groups": {"goodput": {"x": {"model": "iris", "arrivals": "poisson", "slo_ms": 10, "adaptive": 10.0,
                                 "window": 9.0, "window_16_5": 5.0, "none": 2.0}}},
}  # fmt: skip


def test_taking_a_report_over_twice_is_taking_it_over_once(tmp_path):
    page = tmp_path / "benchmarks.md"
    page.write_text(f"# Before\n\n{document.BEGIN}\nold\n{document.END}\n\n## After\n", encoding="utf-8")
    document.update(REPORT, page, tmp_path / "figures")
    once = page.read_text(encoding="utf-8")
    document.update(REPORT, page, tmp_path / "figures")
    assert page.read_text(encoding="utf-8") == once
    assert once.startswith("# Before\n") and once.endswith("## After\n") and "old" not in once
    assert "| 120,000 requests/s | 140,000 | ≥ 0.85 | 0.857 (0.800 to 0.900) |" in once
    assert "**130**" in once and "- `iris_64`: noted" in once
    ElementTree.parse(tmp_path / "figures/goodput.svg")


def test_of_reports_measured_apart_the_last_that_has_a_line_wins_and_is_named():
    about = {"cpu": "x", "cores": 2, "memory_gib": 1, "kernel": "k", "date": "d", "command": "r", "commit": "one"}
    first = REPORT | {"origin": about, "failures": {}}
    again = {"measured": {"min": 9, "median": 10, "max": 11}, "met": True, "remark": "", "repeats": 1}
    second = {"origin": about | {"commit": "two"}, "lines": {"start": again}, "groups": {}, "failures": {"x": "why"}}
    table = document.table(document.merged([first, second]))
    assert "- A: x" in table and "commit one" in table and "- B: x" in table and "commit two" in table
    assert "| 0.857 (0.800 to 0.900) | `--only iris` A |" in table
    assert "| 10.0 | `--only start` B |" in table
    assert "x (B)" in table
    assert "commit one" not in document.table(document.merged([second, first | {"lines": {}}]))


def test_every_line_has_a_row_whether_measured_or_not():
    table = document.table({})
    for name in lines.LINES:
        assert table.count(f"| `{name}` |") == 1
    assert "| – | – |" in table


def test_where_a_report_went_is_not_part_of_its_command():
    command = ["run", "--json", "x.json", "--only", "iris", "--json=y.json", "--repeats", "9"]
    assert session.without_json(command) == ["run", "--only", "iris", "--repeats", "9"]


def test_a_busy_machine_is_named():
    about = {"cpu": "x", "cores": 2, "memory_gib": 1, "kernel": "k", "commit": "c", "date": "d", "command": "r"}
    assert "NOT QUIET: load average 3" in session.origin_text(about | {"load_average": 3})
    assert "NOT QUIET" not in session.origin_text(about | {"load_average": 0.2})


def test_a_page_without_markers_is_left_alone(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("no markers", encoding="utf-8")
    with pytest.raises(SystemExit):
        document.update({}, page, tmp_path)
    assert page.read_text(encoding="utf-8") == "no markers"


def test_the_page_names_every_line():
    page = (ROOT / "docs/benchmarks.md").read_text(encoding="utf-8")
    assert document.BEGIN in page and document.END in page
    for name in lines.LINES:
        assert f"| `{name}` |" in page, name


# The program itself


def run(*args):
    return subprocess.run(
        [sys.executable, ROOT / "benchmarks/run", *map(str, args)],
        capture_output=True, text=True, env=environment(), timeout=6 * PATIENCE,
    )  # fmt: skip


def test_a_short_run_measures_its_lines_and_keeps_all_of_it(tmp_path):
    if not (ROOT / "build/release/benchmarks/muster_echo").exists():
        pytest.skip("the limits are not built")
    file = tmp_path / "results.json"
    result = run("--quick", "--seconds", "0.3", "--only", "start,iris", "--json", file)
    assert result.returncode == 0, result.stdout + result.stderr
    report = json.loads(file.read_text(encoding="utf-8"))
    assert set(report["lines"]) == {n for n, line in lines.LINES.items() if line.group in ("start", "iris")}
    kept = report["lines"]["iris_64"]
    assert kept["ratio"]["median"] == pytest.approx(kept["measured"]["median"] / kept["limit"]["median"])
    assert report["lines"]["memory"]["measured"]["median"] > 5
    assert report["origin"]["cores"] >= 1 and report["failures"] == {}
    for name in report["lines"]:
        assert f"{name}: " in result.stdout


def test_a_group_that_fails_says_why_and_does_not_stop_the_next(tmp_path):
    file = tmp_path / "results.json"
    code = (
        "import runpy, sys; sys.argv = ['run', '--quick', '--only', 'storm,start', '--json', sys.argv[1]]\n"
        "import suite.storm, suite.figures\n"
        "def fail(session): raise suite.figures.Failure('no such thing')\n"
        "suite.storm.run = fail\n"
        f"runpy.run_path({str(ROOT / 'benchmarks/run')!r}, run_name='__main__')\n"
    )
    env = environment() | {"PYTHONPATH": str(ROOT / "benchmarks")}
    result = subprocess.run(
        [sys.executable, "-c", code, file], capture_output=True, text=True, env=env, timeout=6 * PATIENCE
    )
    report = json.loads(file.read_text(encoding="utf-8"))
    assert result.returncode == 1 and "storm FAILED: no such thing" in result.stdout
    assert report["failures"] == {"storm": "no such thing"} and "start" in report["lines"]


def test_wrong_usage_is_named():
    result = run("--only", "iris,nope")
    assert result.returncode == 2 and "got nope" in result.stderr
