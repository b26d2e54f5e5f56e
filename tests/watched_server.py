"""A server that is thrown things at: what the kernel knows of it, and whether it was harmed."""

import functools
import mmap
import os
import re
import time
from pathlib import Path

import support
import wire

# A prediction whose answer is exact, so that "the same" can mean the same bits.
GOOD_PATH = "/predict/two_inputs"
GOOD_BODY = b'{"inputs": {"age": 30, "income": [100, 50]}}'
GOOD_REQUEST = wire.post(GOOD_PATH, GOOD_BODY)

MIB = 1 << 20
TICKS = os.sysconf("SC_CLK_TCK")
REPORT = re.compile(
    r"ERROR: (?:Address|Leak|Memory|Thread)Sanitizer|WARNING: ThreadSanitizer|runtime error:"
    r"|: fatal: |terminate called|Assertion .* failed"
)


@functools.cache
def is_sanitized():
    """True where the program is built with a sanitizer, which keeps freed memory and is slow."""
    with open(support.BINARY, "rb") as file:
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as program:
            return any(program.find(mark) >= 0 for mark in (b"__asan_init", b"__tsan_init"))


def result_of(response):
    """The prediction in an answer, as the server wrote it: same text, same bits."""
    assert response.status == 200, response.body[:500]
    answer = response.json()
    text = response.body.decode()
    begin = text.index('"result"')
    # Where a value ends, only a parser knows; comparing its text up to the next key will do.
    return repr(answer["result"]), text[begin : text.index('"error"', begin)]


class WatchedServer(support.Server):
    """`muster serve` with health and metrics on a port of their own."""

    def __init__(self, *paths, args=(), **more):
        super().__init__(*paths, args=["--metrics-port", "0", *args], **more)

    def __enter__(self):
        super().__enter__()
        support.wait_until(self.is_ready, "the server is ready")
        self.pid = self.process.pid
        self.good_result = result_of(self.send_good())
        for _ in range(20):  # so that all that is made at first use has been made
            assert result_of(self.send_good()) == self.good_result
        self.remember()
        return self

    def __exit__(self, *error):
        super().__exit__(*error)
        reports = [line for line in self.errors if REPORT.search(line)]
        assert not reports, "\n".join(self.errors[-200:])
        assert self.process.returncode == 0, f"exit code {self.process.returncode}: {self}"

    @property
    def metrics_address(self):
        host, port = self.metrics_url.removeprefix("http://").rsplit(":", 1)
        return host, int(port)

    def is_ready(self):
        return self.ask("/health/ready").status == 200

    def connect(self, **kwargs):
        return wire.Wire(self.address, **kwargs)

    def ask(self, path, address=None):
        """GET on a connection of its own."""
        with wire.Wire(address or self.address) as connection:
            connection.send(wire.request("GET", path, None, "Connection: close"))
            return connection.response()

    def send_good(self):
        with self.connect() as connection:
            return connection.send(GOOD_REQUEST).response()

    def send(self, data):
        """One request on a connection of its own."""
        with self.connect() as connection:
            return connection.send(data).response()

    def predict(self, path, body):
        """The answer's JSON to a prediction that must succeed."""
        response = self.send(wire.post(path, body))
        assert response.status == 200, response.body[:500]
        return response.json()

    def metric(self, name, via=None, **labels):
        """Sum of a metric over all its label sets that contain `labels`; `via`: a connection to
        use where no new one can be had."""
        if via:
            text = via.send(wire.request("GET", "/metrics")).response().body.decode()
        else:
            text = self.ask("/metrics", self.metrics_address).body.decode()
        total = 0.0
        for line in text.splitlines():
            match = re.fullmatch(r"(\w+)(?:\{(.*)\})? (\S+)", line)
            if match and match[1] == name:
                found = dict(re.findall(r'(\w+)="([^"]*)"', match[2] or ""))
                if labels.items() <= found.items():
                    total += float(match[3])
        return total

    def series(self):
        """Names and labels of all metrics, without their values."""
        text = self.ask("/metrics", self.metrics_address).body.decode()
        return {line.rsplit(" ", 1)[0] for line in text.splitlines() if line[:1] != "#"}

    def stats_of(self, model):
        return self.ask(f"/models/{model}", self.address).json()

    def log(self):
        return "\n".join(self.errors)

    # What the kernel says.

    def _status(self, key):
        text = Path(f"/proc/{self.pid}/status").read_text(encoding="ascii")
        return int(re.search(rf"^{key}:\s+(\d+)", text, re.MULTILINE)[1])

    def resident_bytes(self):
        return self._status("VmRSS") * 1024

    def peak_bytes(self):
        """The most that was resident since forget_peak."""
        return self._status("VmHWM") * 1024

    def forget_peak(self):
        Path(f"/proc/{self.pid}/clear_refs").write_text("5", encoding="ascii")

    def assert_grew_less_than(self, limit, before, *, peak=False):
        """What is resident, or was at its peak, is less than `limit` bytes above `before`."""
        grown = (self.peak_bytes() if peak else self.resident_bytes()) - before
        assert is_sanitized() or grown < limit, f"{grown} bytes more, {limit} are allowed"

    def threads(self):
        return self._status("Threads")

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def cpu_seconds(self):
        fields = Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii").rsplit(") ", 1)[1]
        user, system = fields.split()[11:13]
        return (int(user) + int(system)) / TICKS

    def remember(self):
        """Takes the present, with no connection open, for the state to come back to."""
        support.wait_until(
            lambda: self.metric("muster_http_connections") == 1, "only our connection is open"
        )
        low = support.wait_until(self._settled_descriptors, "descriptors settle")
        self.base_descriptors = low
        self.base_threads = self.threads()

    def _settled_descriptors(self):
        seen = {self.descriptors()}
        end = time.monotonic() + 0.05
        while time.monotonic() < end:
            seen.add(self.descriptors())
        return seen.pop() if len(seen) == 1 else None

    def assert_at_base(self, within=1.5):
        """Descriptors and threads are those of before, the latest after `within` seconds."""
        support.wait_until(
            lambda: self.descriptors() <= self.base_descriptors,
            f"descriptors go back to {self.base_descriptors}, now {self.descriptors()}",
            within,
        )
        support.wait_until(
            lambda: self.threads() <= self.base_threads,
            f"threads go back to {self.base_threads}, now {self.threads()}",
            within,
        )

    def assert_unharmed(self):
        """What must hold after everything that a client can do."""
        assert self.process.poll() is None, f"the server has ended: {self}"
        assert self.process.pid == self.pid
        assert self.ask("/health/live").status == 200
        assert result_of(self.send_good()) == self.good_result
        reports = [line for line in self.errors if REPORT.search(line)]
        assert not reports, reports
        self.assert_at_base()

    def assert_no_lasting_growth(self, attack, repeats=100, warm_up=50, rounds=4):
        """`attack` costs less than 1 MiB per 100 repeats. A leak grows in every round, what an
        allocator keeps for the next time grows once."""
        for _ in range(warm_up):
            attack()
        if is_sanitized():
            return
        grown = []
        for _ in range(rounds):
            before = self.resident_bytes()
            for _ in range(repeats):
                attack()
            grown.append(self.resident_bytes() - before)
            if grown[-1] < MIB * repeats / 100:
                return
        raise AssertionError(f"{repeats} repeats each add {[g // 1024 for g in grown]} KiB")
