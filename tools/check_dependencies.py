#!/usr/bin/env python3
"""Holds every #include to the table of allowed edges in src/muster/MODULES.

    tools/check_dependencies.py [ROOT]      ROOT: the checkout, by default the one this file is in

The table has two kinds of lines, `#` starts a comment:

    engine: base tensor model               a module and what it may include besides itself
    vendor onnxruntime: backends/onnx       an include prefix and the modules that may use it

Reported: an edge that is not in the table, a cycle in the table, a folder with sources but without
a line in the table, a vendor's header outside its adapter, another module's internal/ header.
Code outside src/ (apps, tests, benchmarks) ties modules together and may include any of them;
internal/ headers are closed to it too, and vendors' to all but apps.
"""

import os
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path

SOURCES = "src/muster"
TABLE = f"{SOURCES}/MODULES"
SCANNED = ("src", "apps", "tests", "benchmarks")
SUFFIXES = {".h", ".hpp", ".inc", ".cc", ".cpp", ".cu"}
INCLUDE = re.compile(r'^\s*#\s*include\s*["<]([^">]+)[">]')


@dataclass
class Table:
    """What src/muster/MODULES says; faults of the table itself are collected in `problems`."""

    modules: dict[str, set[str]] = field(default_factory=dict)
    vendors: dict[str, set[str]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def owner(self, path: str) -> str | None:
        """The module that a path below src/muster belongs to: its nearest folder in the table."""
        folder = os.path.dirname(path)
        while folder:
            if folder in self.modules:
                return folder
            folder = os.path.dirname(folder)
        return None


def read_table(root: Path) -> Table:
    table = Table()
    for number, line in enumerate((root / TABLE).read_text().splitlines(), 1):
        line = line.split("#")[0].strip()
        if not line:
            continue
        match = re.fullmatch(r"(vendor\s+)?([^\s:]+)\s*:\s*(.*)", line)
        if not match:
            table.problems.append(f"{TABLE}:{number}: neither `module: ...` nor `vendor prefix: ...`")
            continue
        vendor, name, right = match.groups()
        entries = table.vendors if vendor else table.modules
        if name in entries:
            table.problems.append(f"{TABLE}:{number}: a second line for {name}")
        entries.setdefault(name, set()).update(right.split())
    for name, named in (*table.modules.items(), *table.vendors.items()):
        for unknown in sorted(named - table.modules.keys()):
            table.problems.append(f"{TABLE}: {name} names {unknown}, which has no line of its own")
    cycle = find_cycle(table.modules)
    if cycle:
        table.problems.append(f"{TABLE}: cycle {' -> '.join(cycle)}")
    return table


def find_cycle(edges: dict[str, set[str]]) -> list[str] | None:
    """One cycle, its first node repeated at the end; None where dependencies only point down."""
    done: set[str] = set()
    path: list[str] = []

    def visit(node: str) -> list[str] | None:
        if node in path:
            return path[path.index(node) :] + [node]
        if node in done:
            return None
        path.append(node)
        for target in sorted(edges.get(node, ())):
            cycle = visit(target)
            if cycle:
                return cycle
        done.add(path.pop())
        return None

    return next(filter(None, map(visit, sorted(edges))), None)


def source_files(root: Path):
    for top in SCANNED:
        for folder, _, names in sorted(os.walk(root / top)):
            for name in sorted(names):
                if Path(name).suffix in SUFFIXES:
                    yield Path(folder, name)


def includes(file: Path):
    for number, line in enumerate(file.read_text(errors="replace").splitlines(), 1):
        match = INCLUDE.match(line)
        if match:
            yield number, match.group(1)


def path_below_sources(root: Path, file: Path, included: str) -> str | None:
    """`included` as a path below src/muster, or None when it is not a header of ours.

    A header can also be named from where the including file lies; that must not be a way round.
    """
    if included.startswith("muster/"):
        return os.path.normpath(included.removeprefix("muster/"))
    beside = Path(os.path.normpath(file.parent / included))
    if beside.is_relative_to(root / SOURCES) and beside.exists():
        return beside.relative_to(root / SOURCES).as_posix()
    return None


def check_own(table: Table, includer: str | None, path: str) -> str | None:
    """What is wrong with including src/muster/`path` from a module (None: from outside src/muster)."""
    target = table.owner(path)
    if target is None:
        return f"includes muster/{path}, which belongs to no module of {TABLE}"
    if target == includer:
        return None
    who = includer or "code outside src/muster"
    if "internal" in Path(path).parts:
        return f"{who} includes {target}, whose internal/ headers are for {target} alone"
    if includer is None or target in table.modules[includer]:
        return None
    allowed = " ".join(sorted(table.modules[includer])) or "none"
    return f"{includer} includes {target}; allowed besides itself: {allowed}"


def check_vendor(table: Table, includer: str | None, included: str) -> str | None:
    for prefix, adapters in sorted(table.vendors.items()):
        if included.startswith(prefix) and includer not in adapters:
            who = includer or "code outside src/muster"
            return f"{who} includes <{included}>; headers of {prefix} are for: {' '.join(sorted(adapters))}"
    return None


def check(root: Path) -> tuple[list[str], int]:
    """Everything that is wrong, and how many includes were looked at."""
    table = read_table(root)
    problems, count = list(table.problems), 0
    homeless: set[str] = set()
    for file in source_files(root):
        where = file.relative_to(root).as_posix()
        includer = None
        if file.is_relative_to(root / SOURCES):
            includer = table.owner(file.relative_to(root / SOURCES).as_posix())
            if includer is None:
                homeless.add(os.path.dirname(where))
                continue
        for number, included in includes(file):
            count += 1
            path = path_below_sources(root, file, included)
            if path is not None:
                problem = check_own(table, includer, path)
            elif where.startswith("apps/"):
                problem = None
            else:
                problem = check_vendor(table, includer, included)
            if problem:
                problems.append(f"{where}:{number}: {problem}")
    problems += [f"{folder}: has sources but belongs to no module of {TABLE}" for folder in sorted(homeless)]
    return problems, count


def main(arguments: list[str]) -> int:
    root = Path(arguments[0] if arguments else Path(__file__).parent.parent).resolve()
    problems, count = check(root)
    if not problems and count == 0:
        # A wrong folder or a moved layout must not look like a clean tree.
        problems = [f"{root}: no #include found below {', '.join(SCANNED)}"]
    for problem in problems:
        print(problem, file=sys.stderr)
    if problems:
        print(f"dependency check: {len(problems)} problem(s); the rules stand in {TABLE}", file=sys.stderr)
        return 1
    print(f"dependency check: {count} includes, all allowed")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
