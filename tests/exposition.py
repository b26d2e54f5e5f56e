"""A strict reader of Prometheus' text format (version 0.0.4)."""

import math
import re
from dataclasses import dataclass, field

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
HELP = re.compile(rf"# HELP ({NAME}) (\S.*)")
TYPE = re.compile(rf"# TYPE ({NAME}) (counter|gauge|histogram)")
SAMPLE = re.compile(rf"({NAME})(?:\{{(.*)\}})? (\S+)")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(?:,|$)')
SUFFIXES = {"counter": [""], "gauge": [""], "histogram": ["_bucket", "_sum", "_count"]}


@dataclass
class Family:
    type: str
    help: str
    samples: dict = field(default_factory=dict)  # (sample's name, labels) to value


def parse(text):
    """The families of a page by name; raises AssertionError for what the format does not allow."""
    assert text.endswith("\n"), "the last line has no end"
    families = {}
    current = None
    pending_help = None
    for line in text.removesuffix("\n").split("\n"):
        if match := HELP.fullmatch(line):
            assert pending_help is None and match[1] not in families, line
            pending_help = (match[1], match[2])
        elif match := TYPE.fullmatch(line):
            assert pending_help is not None and pending_help[0] == match[1], f"no HELP: {line}"
            current = match[1]
            families[current] = Family(match[2], pending_help[1])
            pending_help = None
        else:
            match = SAMPLE.fullmatch(line)
            assert match and pending_help is None and current, f"not a sample: {line!r}"
            family = families[current]
            assert match[1] in [current + s for s in SUFFIXES[family.type]], f"strayed: {line}"
            key = (match[1], _labels(match[2] or "", line))
            assert key not in family.samples, f"twice: {line}"
            family.samples[key] = float(match[3])
    for name, family in families.items():
        assert family.samples, f"{name} has no sample"
        _check(name, family)
    return families


def _labels(text, line):
    labels, at = {}, 0
    while at < len(text):
        match = LABEL.match(text, at)
        assert match, f"labels: {line!r}"
        assert match[1] not in labels, f"label twice: {line!r}"
        labels[match[1]] = re.sub(r"\\(.)", lambda m: "\n" if m[1] == "n" else m[1], match[2])
        at = match.end()
    return frozenset(labels.items())


def _check(name, family):
    if family.type == "counter":
        assert name.endswith("_total"), name
    if family.type != "histogram":
        assert all(math.isfinite(v) and v >= 0 for v in family.samples.values()), name
        return
    series = {}
    for (sample, labels), value in family.samples.items():
        rest = frozenset(pair for pair in labels if pair[0] != "le")
        part = series.setdefault(rest, {"buckets": []})
        if sample == name + "_bucket":
            part["buckets"].append((float(dict(labels)["le"]), value))
        else:
            part[sample.removeprefix(name)] = value
    for labels, part in series.items():
        bounds = [bound for bound, _ in part["buckets"]]
        counts = [count for _, count in part["buckets"]]
        assert bounds == sorted(set(bounds)) and bounds[-1] == math.inf, (name, labels, bounds)
        assert counts == sorted(counts) and counts[-1] == part["_count"], (name, labels, counts)
        assert part["_sum"] >= 0 and (part["_count"] > 0 or part["_sum"] == 0), (name, labels)


def value(families, family, sample=None, **labels):
    """One sample's value; `sample` where its name is not the family's."""
    return families[family].samples[(sample or family, frozenset(labels.items()))]
