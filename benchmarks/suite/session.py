"""What the groups of one run share: how long and how often, and where the figures go."""

import dataclasses
import datetime
import os
import platform
import re
import subprocess
import time
from pathlib import Path

from . import figures
from .figures import Spread, number
from .lines import LINES
from .processes import ROOT


@dataclasses.dataclass
class Session:
    seconds: float  # of a timed part
    repeats: int
    quick: bool
    folder: Path  # for copies of models
    lines: dict[str, dict] = dataclasses.field(default_factory=dict)
    groups: dict[str, dict] = dataclasses.field(default_factory=dict)
    failures: dict[str, str] = dataclasses.field(default_factory=dict)
    began: float = dataclasses.field(default_factory=time.monotonic)

    def pick(self, usual, quick):
        return quick if self.quick else usual

    def say(self, text: str = ""):
        print(text, flush=True)

    def note(self, group: str, key: str, value):
        """Kept in the JSON report, beside the lines."""
        self.groups.setdefault(group, {})[key] = value

    def line(self, name: str, measured: list[float], limits: list[float] | None = None, remark: str = ""):
        """A line of the page, printed and kept. With `limits`, one for each figure, the median of
        the ratios of the pairs is judged; else the median of the figures."""
        line = LINES[name]
        kept: dict = {"unit": line.unit, "target": line.target, "measured": Spread.of(measured).json()}
        judged = Spread.of(measured)
        text = f"{number(judged.median)}"
        if limits is not None:
            judged = Spread.of(figures.ratios(measured, limits))
            limit = Spread.of(limits)
            kept |= {"limit": limit.json(), "ratio": judged.json()}
            text += f" / {number(limit.median)} {line.unit} = {judged.median:.3f}"
        else:
            text += f" {line.unit}".rstrip()
        kept |= {"met": figures.met(judged.median, line.target), "remark": remark, "repeats": len(measured)}
        self.lines[name] = kept
        verdict = "met" if kept["met"] else "MISSED"
        spread = f"min {number(judged.low)}, max {number(judged.high)}, n = {len(measured)}"
        self.say(f"{name}: {text} (target {line.target}: {verdict}; {spread})" + (f" [{remark}]" if remark else ""))

    def report(self, origin: dict) -> dict:
        return {
            "format": "muster-benchmarks-1",
            "origin": origin,
            "quick": self.quick,
            "seconds": self.seconds,
            "repeats": self.repeats,
            "took_s": round(time.monotonic() - self.began, 1),
            "lines": self.lines,
            "groups": self.groups,
            "failures": self.failures,
        }


def without_json(command: list[str]) -> list[str]:
    """Where a report went says nothing of how it was made."""
    kept, skip = [], False
    for word in command:
        if not skip and not word.startswith("--json"):
            kept.append(word)
        skip = not skip and word == "--json"
    return kept


def origin(command: list[str]) -> dict:
    """The machine, the commit, the command and the date."""
    git = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    commit = subprocess.run(git, capture_output=True, text=True, check=False).stdout.strip()
    cpu = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    memory = re.search(r"MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text())
    return {
        "cpu": cpu.group(1) if cpu else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(int(memory.group(1)) / 2**20, 1) if memory else 0,
        "kernel": f"{platform.system()} {platform.release()}",
        "load_average": round(os.getloadavg()[0], 2),
        "commit": commit or "unknown",
        "command": " ".join(without_json(command)),
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
    }


def origin_text(o: dict) -> str:
    busy = o.get("load_average", 0) > 0.5 * o["cores"]
    return (
        f"{o['cpu']}, {o['cores']} cores, {o['memory_gib']} GiB, {o['kernel']}; "
        f"commit {o['commit']}; {o['date']}; `{o['command']}`"
        + (f"; NOT QUIET: load average {o['load_average']} before it" if busy else "")
    )
