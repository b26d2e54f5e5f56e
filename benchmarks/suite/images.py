"""Pictures: decoding against libjpeg-turbo alone, resizing against Pillow, and JPEGs sent to a server."""

import json
import shutil
import subprocess
from functools import partial
from pathlib import Path

from .figures import Failure, Spread, combined_limit, number
from .load import closed, cpu_per_request
from .models import Limits
from .processes import BUILD, ROOT, both_cores, echo, environment, muster, require_mobilenet, server_core, together
from .session import Session

SOURCES = ROOT / "benchmarks/images"
FOLDER = ROOT / "build/benchmarks/images"
PYTHON = FOLDER / "venv/bin/python"
PHOTO = FOLDER / "photo.jpg"
# As models of ImageNet are trained.
IMAGE = "image: {fit: stretch, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225]}\n"
CONNECTIONS = 64


def require_photo() -> Path:
    """Makes the photograph, and the environment of the peer, where they are missing."""
    if PHOTO.exists():
        return PHOTO
    steps = [
        ["python3", "-m", "venv", "--clear", PYTHON.parent.parent],
        [PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary=:all:", "-r",
         SOURCES / "requirements.txt"],
        [PYTHON, SOURCES / "make_photo.py", "--out", PHOTO],
    ]  # fmt: skip
    for step in steps:
        result = subprocess.run(list(map(str, step)), capture_output=True, text=True, env=environment())
        if result.returncode != 0:
            raise Failure("no photograph: " + (result.stderr.strip().splitlines() or ["?"])[-1])
    return PHOTO


def figures_of(*command: str | Path) -> dict:
    """What a program that prints one JSON object measures on the server's core."""
    pinned = ["taskset", "-c", server_core(), *map(str, command)]
    result = subprocess.run(pinned, capture_output=True, text=True, env=environment(), timeout=300)
    if result.returncode != 0:
        raise Failure((result.stderr.strip().splitlines() or [f"{Path(command[0]).name} failed"])[-1])
    return json.loads(result.stdout)


def run_parts(s: Session, photo: Path):
    ours, pillow = [], []
    for _ in range(s.repeats):
        ours.append(figures_of(BUILD / "benchmarks/muster_image_bench", photo, "--seconds", s.seconds))
        pillow.append(figures_of(PYTHON, SOURCES / "peer_pillow.py", photo, "--seconds", s.seconds))
    s.note("images", "parts", ours)
    s.note("images", "pillow", pillow)

    def median(runs: list[dict], key: str) -> str:
        return number(Spread.of([run[key] for run in runs]).median)

    first = ours[0]
    size = f"{first['width']} × {first['height']}, {photo.stat().st_size // 1024} KiB"
    s.line(
        "image_decode", [run["prepare_ms"] for run in ours], [run["scaled_decode_ms"] for run in ours],
        f"{size}, decoded at 1/{first['divisor']}; the whole decoded takes {median(ours, 'full_decode_ms')} ms",
    )  # fmt: skip
    s.line(
        "image_resize", [1e3 / run["resize_ms"] for run in ours], [1e3 / run["resize_normalise_ms"] for run in pillow],
        f"{median(ours, 'resize_ms')} ms against {median(pillow, 'resize_normalise_ms')} ms of Pillow "
        f"{pillow[0]['pillow']} and numpy, {median(pillow, 'resize_ms')} ms of them resizing",
    )  # fmt: skip


def with_pictures(model: Path, folder: Path) -> Path:
    """A copy of the model that takes pictures."""
    copy = folder / "pictures" / model.name
    if not copy.exists():
        shutil.copytree(model, copy)
        with (copy / "muster.yaml").open("a", encoding="utf-8") as file:
            file.write(IMAGE)
    return copy


def run_mobilenet(s: Session, photo: Path):
    model = with_pictures(require_mobilenet(), s.folder)
    cores = both_cores()
    count = len(cores.split(","))
    limits = Limits(s, model, count, cores, [1, 2, 4])
    sent = ("--body", photo, "--content-type", "image/jpeg")
    figures: dict[str, list] = {"rate": [], "bare": [], "decode_cpu_us": [], "echo_cpu_us": [], "combined": []}
    starts = {"muster": partial(muster, model, cores), "echo": partial(echo, "model", model, cores=cores)}
    with together(starts) as servers:
        for _ in range(s.repeats):
            run = closed(
                servers["muster"], model.name, CONNECTIONS, max(s.seconds, 3), *sent, cores="any",
                warm_up=s.pick(1, 0.5),
            )  # fmt: skip
            echoed = cpu_per_request(servers["echo"], model.name, CONNECTIONS, s.pick(2, 1), *sent, cores="any")
            decode = figures_of(BUILD / "benchmarks/muster_image_bench", photo, "--seconds", s.pick(1, 0.5))
            decode_cpu = decode["prepare_cpu_ms"] / 1e3
            if echoed > decode_cpu / 2:
                # Its CPU time would be in the limit twice, and the limit too low.
                raise Failure("the echo takes as long as decoding: it shall answer without looking at pictures")
            figures["rate"].append(run["rate"])
            figures["bare"].append(limits.bare())
            figures["decode_cpu_us"].append(decode_cpu * 1e6)
            figures["echo_cpu_us"].append(echoed * 1e6)
            figures["combined"].append(combined_limit(figures["bare"][-1], decode_cpu + echoed, count))
    s.note("images", model.name, figures)
    bare, decode, echoed = (
        number(Spread.of(figures[name]).median) for name in ("bare", "decode_cpu_us", "echo_cpu_us")
    )
    remark = f"bare {bare}/s; CPU time of decoding {decode} µs, of the echo {echoed} µs; all on cores {cores}"
    s.line("image_mobilenet", figures["rate"], figures["combined"], remark)


def run(s: Session):
    photo = require_photo()
    run_parts(s, photo)
    run_mobilenet(s, photo)
