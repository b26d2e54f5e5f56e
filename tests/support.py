"""What the process-level tests share: servers as processes of their own, a client that says
exactly what goes over the wire, expected answers, and comparisons of nested values."""

import contextlib
import functools
import gzip
import http.server
import itertools
import json
import math
import os
import queue
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import requests

import wire

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "examples" / "models"
MODELS = ROOT / "tests" / "models"
BINARY = Path(os.environ.get("MUSTER_BINARY") or ROOT / "build/release/apps/muster/muster")
PATIENCE = 30.0  # seconds that anything may take before a test gives up on it

LISTENS = re.compile(r"^muster \S+ listens on (http://\S+)$")
MONITORS = re.compile(r"^health and metrics alone on (http://\S+)$")


def expected():
    """Answers of ONNX Runtime's Python API for all models; tests/models/README.md explains them."""
    return json.loads((MODELS / "expected.json").read_text(encoding="utf-8"))


def row_inputs(known):
    """The rows of a model's entry in expected(), as the field `inputs` of a body takes them."""
    inputs = known["inputs"]
    if len(inputs) == 1:
        return next(iter(inputs.values()))
    return [dict(zip(inputs, row, strict=True)) for row in zip(*inputs.values(), strict=True)]


def row_answers(known, alone):
    """Their answers: one output is the answer itself, several go by name, and a map of classes to
    probabilities is the list of these. `alone`: as of rows that are run one at a time."""
    outputs = known["outputs_single" if alone else "outputs"]
    columns = [
        [list(value.values()) if isinstance(value, dict) else value for value in column]
        for column in outputs.values()
    ]
    if len(outputs) == 1:
        return columns[0]
    return [dict(zip(outputs, row, strict=True)) for row in zip(*columns, strict=True)]


def environment(**more):
    """The environment of a muster process: without settings of whoever runs the tests."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("MUSTER_")}
    return inherited | {k: str(v) for k, v in more.items()}


def muster(*args, env=None, stdin=None, cwd=None, timeout=PATIENCE):
    """Runs the program to its end; gives exit code, standard output and standard error."""
    return subprocess.run(
        [BINARY, *map(str, args)],
        env=environment(**(env or {})),
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def wait_until(condition, what, timeout=PATIENCE):
    """The first true value of `condition()`, asked again and again for at most `timeout`."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited {timeout} s in vain: {what}")
        time.sleep(0.002)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


# Ports that are free, and no waiting when it is to end.
DEFAULTS = {"--http-port": "0", "--metrics-port": "-1", "--drain-delay-ms": "0"}


class Server:
    """`muster serve PATHS...` on free ports, until it is left as a context.

    Standard output is read by a thread of its own, so that the process never waits for us."""

    def __init__(
        self,
        *paths,
        args=(),
        env=None,
        defaults=DEFAULTS,
        stdin=subprocess.DEVNULL,
        descriptors=None,
    ):
        self.args = [str(a) for a in [*paths, *args]]
        for flag, value in defaults.items():
            if flag not in self.args:
                self.args += [flag, value]
        self.env = environment(**(env or {}))
        self.stdin = stdin
        # (soft, hard) limit of descriptors that the process begins with.
        self.before = ["prlimit", "--nofile={}:{}".format(*descriptors)] if descriptors else []
        self.url = None
        self.metrics_url = None
        self.output = []
        self.errors = []
        self.process = None
        self.awaited = False  # a test asked it to end and saw it end
        self.session = requests.Session()

    def __enter__(self):
        lines = self.start()
        try:
            self._await_listening(lines)
        except BaseException:
            self.__exit__()
            raise
        return self

    def start(self):
        """Starts the process and returns at once; gives the queue of its lines."""
        self.process = subprocess.Popen(
            [*self.before, BINARY, "serve", *self.args],
            env=self.env,
            stdin=self.stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
        )
        lines = queue.Queue()
        self.readers = [
            threading.Thread(target=self._read, args=(self.process.stdout, self.output, lines)),
            threading.Thread(target=self._read, args=(self.process.stderr, self.errors, None)),
        ]
        for reader in self.readers:
            reader.daemon = True
            reader.start()
        return lines

    @staticmethod
    def _read(stream, into, lines):
        for line in stream:
            into.append(line.rstrip("\n"))
            if lines is not None:
                lines.put(line.rstrip("\n"))
        if lines is not None:
            lines.put(None)

    def _await_listening(self, lines):
        end = time.monotonic() + PATIENCE
        while self.url is None or (self._wants_monitoring() and self.metrics_url is None):
            try:
                line = lines.get(timeout=max(0.01, end - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"the server did not say where it listens: {self}") from None
            if line is None:
                code = self.wait()
                raise AssertionError(f"the server ended with {code}: {self}")
            if match := LISTENS.match(line):
                self.url = match[1]
            elif match := MONITORS.match(line):
                self.metrics_url = match[1]

    def _wants_monitoring(self):
        """Whether the second port is sure to be there: that of the defaults may be taken."""
        return any(a == "--metrics-port" and b != "-1" for a, b in itertools.pairwise(self.args))

    def __str__(self):
        return f"{self.args}\n" + "\n".join(self.output + self.errors)

    def __exit__(self, *_):
        self.session.close()
        # Nothing may end a server but a signal, and that must be a clean end.
        ended_by_itself = self.process.poll() is not None and not self.awaited
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        for reader in self.readers:
            reader.join(PATIENCE)
        self.process.stdout.close()
        self.process.stderr.close()
        code = self.process.returncode
        assert not ended_by_itself, f"the server ended by itself with {code}: {self}"
        assert self.url is None or self.awaited or code == 0, f"exit code {code}: {self}"

    @property
    def address(self):
        host, port = self.url.removeprefix("http://").rsplit(":", 1)
        return host, int(port)

    def signal(self, number):
        self.process.send_signal(number)

    def wait(self, timeout=PATIENCE):
        """The exit code, once the process has ended by itself."""
        code = self.process.wait(timeout)
        self.awaited = True
        for reader in self.readers:
            reader.join(PATIENCE)
        return code

    def get(self, path, **kwargs):
        return self.session.get(self.url + path, timeout=PATIENCE, **kwargs)

    def post(self, path, body=None, **kwargs):
        if body is not None:
            kwargs["json"] = body
        return self.session.post(self.url + path, timeout=PATIENCE, **kwargs)

    def answer(self, path, body=None, **kwargs):
        """The JSON of an answer that must be 200."""
        response = self.post(path, body, **kwargs)
        assert response.status_code == 200, response.text
        return response.json()

    def model(self, name):
        response = self.get(f"/models/{name}")
        assert response.status_code == 200, response.text
        return response.json()

    def connect(self):
        return wire.Wire(self.address)


def together(count, work):
    """Calls `work(i)` in `count` threads that all begin at once; gives their results in order."""
    results = [None] * count
    failures = []
    start = threading.Barrier(count)

    def run(i):
        try:
            start.wait(PATIENCE)
            results[i] = work(i)
        except BaseException as failure:  # reported by the test's own thread
            failures.append(failure)

    threads = [threading.Thread(target=run, args=(i,), daemon=True) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(2 * PATIENCE)
    assert not any(thread.is_alive() for thread in threads), "a thread never came back"
    if failures:
        raise failures[0]
    return results


def copy_model(source, repository, name=None, config=None):
    """Copies a model folder into a repository; `config` replaces its muster.yaml."""
    target = Path(repository) / (name or source.name)
    shutil.copytree(source, target)
    if config is not None:
        (target / "muster.yaml").write_text(config, encoding="utf-8")
    return target


def assert_close(actual, wanted, tolerance=1e-6, where="value"):
    """Same structure, same texts and whole numbers, other numbers within a tolerance that is
    relative for numbers beyond 1."""
    if isinstance(wanted, dict):
        assert isinstance(actual, dict) and actual.keys() == wanted.keys(), f"{where}: {actual!r}"
        for key in wanted:
            assert_close(actual[key], wanted[key], tolerance, f"{where}[{key!r}]")
    elif isinstance(wanted, (list, tuple)):
        assert isinstance(actual, list) and len(actual) == len(wanted), f"{where}: {actual!r}"
        for i, item in enumerate(wanted):
            assert_close(actual[i], item, tolerance, f"{where}[{i}]")
    elif isinstance(wanted, float):
        assert isinstance(actual, (int, float)) and not isinstance(actual, bool), (
            f"{where}: {actual!r} is no number"
        )
        assert math.isclose(actual, wanted, rel_tol=tolerance, abs_tol=tolerance), (
            f"{where}: {actual!r}, expected {wanted!r}"
        )
    else:
        assert type(actual) is type(wanted) and actual == wanted, (
            f"{where}: {actual!r}, expected {wanted!r}"
        )


def flat(rows):
    """Rows of one element, each written as the element or as a list of it, as a list of numbers."""
    return [row[0] if isinstance(row, list) else row for row in rows]


def is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


ISO_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def assert_is_now(text, seconds=10):
    """`text` is a time in UTC with milliseconds, and that of a moment ago."""
    assert ISO_TIME.fullmatch(text), text
    time_of_answer = datetime.fromisoformat(text.replace("Z", "+00:00"))
    assert abs((datetime.now(UTC) - time_of_answer).total_seconds()) < seconds, text


def assert_is_error(response, status, code, *words):
    """The error body of every route, with a text that names all of `words`."""
    headers = {name.lower(): value for name, value in response.headers.items()}
    plain = wire.Response(response.status_code, headers, response.content)
    return wire.assert_error(plain, status, code, words)


def gzipped(body):
    return gzip.compress(json.dumps(body).encode())


@contextlib.contextmanager
def files_of(folder):
    """A web server for the pages in `folder`, as another origin than muster's; gives its URL."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join(PATIENCE)
