"""Servers as processes of their own, pinned, and what the kernel says of them."""

import contextlib
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

from .figures import Failure

ROOT = Path(__file__).resolve().parent.parent.parent
BUILD = ROOT / "build/release"
MUSTER = Path(os.environ.get("MUSTER_BINARY", BUILD / "apps/muster/muster"))
EXAMPLES = ROOT / "examples/models"
MOBILENET = ROOT / "build/benchmarks/models/mobilenet_v2"


def allowed_cores() -> list[int]:
    return sorted(os.sched_getaffinity(0))


def server_core() -> str:
    return str(allowed_cores()[0])


def load_core() -> str:
    """The last that this process may use: another than the server's where there are two."""
    return str(allowed_cores()[-1])


def both_cores() -> str:
    return ",".join(dict.fromkeys([server_core(), load_core()]))


def environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MUSTER_")}
    return {**kept, "ORT_DISABLE_TELEMETRY": "1"}


class Process:
    """A server; its URL is read from what it prints."""

    def __init__(self, *command: str | Path, cores: str = ""):
        self.process = subprocess.Popen(
            ["taskset", "-c", cores or server_core(), *map(str, command)],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment(),
        )  # fmt: skip
        for line in self.process.stdout:
            match = re.search(r"http://[\d.]+:(\d+)", line)
            if match and "alone" not in line:
                self.url = match.group(0)
                return
        self.process.wait(30)
        raise Failure(f"{Path(command[0]).name} ended before it listened")

    def cpu_seconds(self) -> float:
        """CPU time of all its threads that have not ended."""
        total = 0
        for task in Path(f"/proc/{self.process.pid}/task").iterdir():
            with contextlib.suppress(FileNotFoundError):
                total += int((task / "schedstat").read_text().split()[0])
        return total / 1e9

    def resident_mib(self) -> float:
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
        raise Failure("no VmRSS")

    def close(self):
        self.process.terminate()
        try:
            self.process.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
            raise Failure("a server did not end within 30 s of SIGTERM") from None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def muster(model: Path, cores: str = "") -> Process:
    return Process(
        MUSTER, "serve", model, "--http-port", "0", "--metrics-port", "-1", "--drain-delay-ms", "0",
        "--drain-limit-ms", "2000", "--log-level", "error", cores=cores,
    )  # fmt: skip


def echo(*arguments: str | Path, cores: str = "") -> Process:
    return Process(BUILD / "benchmarks/muster_echo", "0", *arguments, cores=cores)


def paced(row_ms: float, fixed_ms: float, instances: int = 1) -> Process:
    return Process(BUILD / "benchmarks/muster_paced", "0", f"{row_ms:g}", f"{fixed_ms:g}", str(instances))


def with_settings(model: Path, folder: Path, settings: dict[str, object]) -> Path:
    """A copy of a model folder below `folder` whose muster.yaml says `settings` too."""
    name = "-".join(str(value).replace(".", "_") for value in settings.values()) or "as_is"
    copy = folder / name / model.name
    if not copy.exists():
        shutil.copytree(model, copy)
        with (copy / "muster.yaml").open("a", encoding="utf-8") as file:
            file.writelines(f"{key}: {value}\n" for key, value in settings.items())
    return copy


@contextlib.contextmanager
def together(starts: dict[str, Callable[[], Process]]) -> Iterator[dict[str, Process]]:
    """Starts all of them, and ends those that started where one does not."""
    with contextlib.ExitStack() as stack:
        yield {name: stack.enter_context(start()) for name, start in starts.items()}


def require_mobilenet() -> Path:
    """Makes the model where it is missing, with packages of its own; takes a minute."""
    if (MOBILENET / "1/model.onnx").exists():
        return MOBILENET
    venv = ROOT / "build/benchmarks/venv"
    pip = [venv / "bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    steps = [
        ["python3", "-m", "venv", "--clear", venv],
        [*pip, "--only-binary=:all:", "-r", ROOT / "benchmarks/models/requirements.txt"],
        [venv / "bin/python", ROOT / "benchmarks/models/make_mobilenet.py"],
    ]
    for step in steps:
        result = subprocess.run(list(map(str, step)), capture_output=True, text=True, env=environment())
        if result.returncode != 0:
            raise Failure("mobilenet_v2 cannot be made: " + (result.stderr.strip().splitlines() or ["?"])[-1])
    return MOBILENET
