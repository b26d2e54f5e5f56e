"""Takes a report over into docs/: the table between two markers of benchmarks.md, and the plots."""

from pathlib import Path

from .figures import number
from .lines import LINES
from .plot import Curve, bar_plot, latency_plot
from .processes import ROOT
from .session import origin_text

BEGIN = "<!-- measured: written by benchmarks/run --update-docs -->"
END = "<!-- /measured -->"
PAGE = ROOT / "docs/benchmarks.md"
FIGURES = ROOT / "docs/figures"


def figure(spread: dict | None, unit: str) -> str:
    return f"{number(spread['median'])} {unit}".strip() if spread else "–"


def merged(reports: list[dict]) -> dict:
    """One report of several that were measured apart: of each line and group the last that has it. Every line then
    says by a letter which of `origins` it is from."""
    if len(reports) == 1:
        return reports[0]
    whole = {"origins": {}, "lines": {}, "groups": {}, "failures": {}, "quick": any(r.get("quick") for r in reports)}
    for letter, report in zip("ABCDEFGHIJKLMNOPQRSTUVWXYZ", reports, strict=False):
        whole["origins"][letter] = report["origin"]
        whole["lines"] |= {name: line | {"origin": letter} for name, line in report["lines"].items()}
        for group, notes in report["groups"].items():
            whole["groups"].setdefault(group, {}).update(notes)
        whole["failures"] |= {f"{name} ({letter})": reason for name, reason in report["failures"].items()}
    used = {line["origin"] for line in whole["lines"].values()}
    whole["origins"] = {letter: origin for letter, origin in whole["origins"].items() if letter in used}
    return whole


def row(name: str, report: dict) -> str:
    line, kept = LINES[name], report.get("lines", {}).get(name)
    measured = limit = ratio = "–"
    if kept:
        judged = kept.get("ratio") or kept["measured"]
        measured = figure(kept["measured"], line.unit)
        limit = figure(kept.get("limit"), "")
        bold = "" if kept["met"] else "**"
        ratio = f"{bold}{number(judged['median'])}{bold}"
        if kept["repeats"] > 1:
            ratio += f" ({number(judged['min'])} to {number(judged['max'])})"
    command = f"`--only {line.group}`" + (f" {kept['origin']}" if kept and "origin" in kept else "")
    cells = [f"`{name}`", line.definition, measured, limit, line.target, ratio, command]
    return f"| {' | '.join(cells)} |"


def table(report: dict) -> str:
    text = ["No report has been taken over yet.", ""]
    if "origins" in report:
        text = [*(f"- {letter}: {origin_text(origin)}" for letter, origin in report["origins"].items()), ""]
    if "origin" in report:
        text = [origin_text(report["origin"]), ""]
        if report.get("quick"):
            text = ["A quick look (`--quick`), not a measurement.", "", *text]
    text += [
        "| line | what | measured | limit or peer | target | judged: median (min to max) | `benchmarks/run` |",
        "|---|---|---|---|---|---|---|",
    ]
    text += [row(name, report) for name in LINES]
    remarks = [(n, k["remark"]) for n, k in report.get("lines", {}).items() if k.get("remark") and n in LINES]
    if remarks:
        text += ["", *(f"- `{name}`: {remark}" for name, remark in remarks)]
    if report.get("failures"):
        text += ["", "Not all of it could be measured: " + ", ".join(report["failures"]) + "."]
    return "\n".join(text)


def between_markers(page: str, text: str) -> str:
    """`page` with `text` between the markers, whatever was there."""
    head, begin, rest = page.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"{PAGE.name} has no markers `{BEGIN}` and `{END}`")
    return f"{head}{BEGIN}\n\n{text}\n\n{END}{tail}"


def plots(report: dict) -> dict[str, str]:
    """File names and what they hold; only what the report has figures for."""
    found = {}
    origin = report.get("origin") or next(iter(report.get("origins", {}).values()), None)
    about = "{cpu}, {cores} cores".format(**origin) if origin else ""
    for model, data in report.get("groups", {}).get("curves", {}).items():
        curves = [
            Curve(name, [p["rate"] for p in points], [p["p50_ms"] for p in points], [p["p99_ms"] for p in points])
            for name, points in data["policies"].items()
        ]
        found[f"latency_{model}.svg"] = latency_plot(f"{model}: latency over load", about, curves)
    goodput = list(report.get("groups", {}).get("goodput", {}).values())
    if goodput:
        groups = [
            (case["model"], f"{case['arrivals']}, {case['slo_ms']} ms",
             [case["adaptive"], case["window"], case["window_16_5"], case["none"]])
            for case in goodput
        ]  # fmt: skip
        bars = ["adaptive", "best window", "window 16 / 5 ms", "none"]
        found["goodput.svg"] = bar_plot("Goodput: rate with 99 % in time", about, bars, groups)
    return found


def update(report: dict, page: Path = PAGE, figures: Path = FIGURES):
    drawn = plots(report)
    figures.mkdir(parents=True, exist_ok=True)
    for name, svg in drawn.items():
        (figures / name).write_text(svg, encoding="utf-8")
    text = table(report)
    if drawn:
        text += "\n\n" + "\n\n".join(f"![{name}](figures/{name})" for name in drawn)
    page.write_text(between_markers(page.read_text(encoding="utf-8"), text), encoding="utf-8")
