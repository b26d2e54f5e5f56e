"""A small writer of SVG: lines over a logarithmic axis, and grouped bars. The same figures give the same bytes."""

import dataclasses
import math
from xml.sax.saxutils import escape

COLOURS = ["#0072b2", "#d55e00", "#009e73", "#8a5a9e"]  # told apart by colour-blind eyes too
WIDTH, HEIGHT = 760, 420
LEFT, RIGHT, TOP, BOTTOM = 66, 20, 76, 52
INK, FAINT = "#222222", "#dddddd"


@dataclasses.dataclass(frozen=True)
class Curve:
    name: str
    x: list[float]
    solid: list[float]
    dashed: list[float]


class Svg:
    def __init__(self, title: str, subtitle: str):
        self.parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" '
            f'height="{HEIGHT}" font-family="system-ui, sans-serif" font-size="12">',
            f"<title>{escape(title)}</title>",
            f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        ]
        self.text(16, 24, title, size=15, weight="600")
        self.text(16, 42, subtitle, colour="#555555")

    def text(self, x, y, text, anchor="start", size=12, weight="400", colour=INK, turn=False):
        turned = f' transform="rotate(-90 {x:.1f} {y:.1f})"' if turn else ""
        self.parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" font-weight="{weight}" '
            f'fill="{colour}"{turned}>{escape(text)}</text>'
        )

    def line(self, x1, y1, x2, y2, colour=FAINT, width=1.0, dash=""):
        dashed = f' stroke-dasharray="{dash}"' if dash else ""
        self.parts.append(
            f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" '
            f'stroke-width="{width}"{dashed}/>'
        )

    def path(self, points: list[tuple[float, float]], colour: str, dash=""):
        dashed = f' stroke-dasharray="{dash}"' if dash else ""
        steps = " ".join(f"{'M' if i == 0 else 'L'}{x:.1f},{y:.1f}" for i, (x, y) in enumerate(points))
        self.parts.append(f'<path d="{steps}" fill="none" stroke="{colour}" stroke-width="2"{dashed}/>')
        if not dash:
            self.parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5" fill="{colour}"/>' for x, y in points]

    def bar(self, x, y, width, height, colour, hint):
        self.parts.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{max(height, 0):.1f}" fill="{colour}">'
            f"<title>{escape(hint)}</title></rect>"
        )

    def legend(self, names: list[str], dashes: bool):
        x = float(LEFT)
        for name, colour in zip(names, COLOURS):
            self.parts.append(f'<rect x="{x:.1f}" y="53" width="12" height="10" fill="{colour}"/>')
            self.text(x + 17, 62, name)
            x += 17 + 6.6 * len(name) + 16
        if dashes:
            for label, dash in (("p50", ""), ("p99", "5 4")):
                self.line(x + 8, 58, x + 36, 58, INK, 2, dash)
                self.text(x + 41, 62, label)
                x += 74

    def __str__(self) -> str:
        return "\n".join([*self.parts, "</svg>", ""])


def nice_step(span: float, most: int) -> float:
    """1, 2 or 5 times a power of ten, so that `span` has at most `most` of it."""
    raw = span / most
    power = 10 ** math.floor(math.log10(raw))
    return next(power * m for m in (1, 2, 5, 10) if power * m >= raw * (1 - 1e-9))


def short(value: float) -> str:
    """120k, 0.5: for axes."""
    return f"{value / 1e3:g}k" if value >= 1e3 else f"{value:g}"


def latency_plot(title: str, subtitle: str, curves: list[Curve]) -> str:
    """Milliseconds, logarithmic, over requests/s."""
    svg = Svg(title, subtitle)
    values = [v for c in curves for v in (*c.solid, *c.dashed) if v > 0]
    if not values:
        raise ValueError("no curve has a point")
    low, high = math.floor(math.log10(min(values)) * 3) / 3, math.ceil(math.log10(max(values)) * 3) / 3
    high = max(high, low + 1 / 3)
    most = max(x for c in curves for x in c.x) * 1.02

    def px(x: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * x / most

    def py(y: float) -> float:
        share = (math.log10(max(y, 10**low)) - low) / (high - low)
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share

    for decade in range(math.floor(low), math.ceil(high) + 1):
        for m in (1, 2, 5):
            value = m * 10.0**decade
            if low - 1e-9 <= math.log10(value) <= high + 1e-9:
                svg.line(LEFT, py(value), WIDTH - RIGHT, py(value))
                svg.text(LEFT - 8, py(value) + 4, f"{value:g}", "end")
    step = nice_step(most, 8)
    for i in range(int(most / step) + 1):
        svg.line(px(i * step), HEIGHT - BOTTOM, px(i * step), HEIGHT - BOTTOM + 5, INK)
        svg.text(px(i * step), HEIGHT - BOTTOM + 19, short(i * step), "middle")
    svg.line(LEFT, HEIGHT - BOTTOM, WIDTH - RIGHT, HEIGHT - BOTTOM, INK)
    svg.text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 14, "requests/s (open loop, poisson)", "middle")
    svg.text(16, (TOP + HEIGHT - BOTTOM) / 2, "latency, ms", "middle", turn=True)
    for curve, colour in zip(curves, COLOURS):
        if curve.x:
            svg.path([(px(x), py(y)) for x, y in zip(curve.x, curve.dashed)], colour, "5 4")
            svg.path([(px(x), py(y)) for x, y in zip(curve.x, curve.solid)], colour)
    svg.legend([curve.name for curve in curves], dashes=True)
    return str(svg)


def bar_plot(title: str, subtitle: str, bars: list[str], groups: list[tuple[str, str, list[float]]]) -> str:
    """`groups`: two lines of name and a value a bar, shown relative to the group's largest."""
    svg = Svg(title, subtitle)
    shares = [[v / max(values) if v > 0 else 0 for v in values] for _, _, values in groups]
    if not shares:
        raise ValueError("no group of bars")
    top = 1.1  # room for the figures above the bars
    floor = HEIGHT - BOTTOM

    def py(share: float) -> float:
        return floor - (floor - TOP) * share / top

    step = nice_step(top, 6)
    for i in range(int(top / step + 1e-9) + 1):
        svg.line(LEFT, py(i * step), WIDTH - RIGHT, py(i * step))
        svg.text(LEFT - 8, py(i * step) + 4, f"{i * step * 100:.0f} %", "end")
    room = (WIDTH - LEFT - RIGHT) / len(groups)
    width = room * 0.9 / len(bars)
    for g, ((name, detail, values), row) in enumerate(zip(groups, shares)):
        left = LEFT + g * room + room * 0.05
        for b, (value, share) in enumerate(zip(values, row)):
            x = left + b * width
            svg.bar(x, py(share), width - 2, floor - py(share), COLOURS[b], f"{bars[b]}: {value:,.0f}/s")
            svg.text(x + width / 2 - 1, py(share) - 4, compact(value), "middle", size=9)
        svg.text(left + room * 0.45, floor + 18, name, "middle", size=11)
        svg.text(left + room * 0.45, floor + 34, detail, "middle", size=10, colour="#555555")
    svg.line(LEFT, floor, WIDTH - RIGHT, floor, INK)
    svg.text(16, (TOP + floor) / 2, "of the best policy's goodput", "middle", turn=True)
    svg.legend(bars, dashes=False)
    return str(svg)


def compact(value: float) -> str:
    """At most four characters: 98, 1.2k, 124k."""
    if value < 1000:
        return f"{value:.0f}"
    return f"{value / 1e3:.1f}k" if value < 10_000 else f"{value / 1e3:.0f}k"
