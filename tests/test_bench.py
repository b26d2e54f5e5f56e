"""`muster bench`: the load generator against the real server, and against servers that misbehave."""

import contextlib
import json
import signal
import socket
import subprocess
import threading
import time

import pytest
import requests

from support import BINARY, EXAMPLES, PATIENCE, Server, environment, muster

SHORT = ("--duration", "0.3", "--warm-up", "0.05", "--connections", "4", "--inputs", "16")


@pytest.fixture(scope="module")
def server():
    with Server(EXAMPLES / "iris", EXAMPLES / "digits") as running:
        yield running


def bench(*args):
    return muster("bench", *args)


def report_of(*args):
    """The JSON report of a run that must succeed."""
    result = bench(*args, "--json", "-")
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


@contextlib.contextmanager
def impostor(behave):
    """A server whose connections are each handed to `behave(connection, read_request)` in a thread."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)

    def serve(connection):
        stream = connection.makefile("rb")

        def read_request():
            head, length = b"", 0
            while not head.endswith(b"\r\n\r\n"):
                line = stream.readline()
                if not line:
                    raise ConnectionError
                if line.lower().startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
                head += line
            stream.read(length)
            return head

        with contextlib.suppress(OSError), connection:
            behave(connection, read_request)

    def accept():
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/predict/m"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(PATIENCE)


def answer(text, head=b""):
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n%s\r\n%s" % (len(text), head, text)


@pytest.fixture
def bodies(tmp_path):
    file = tmp_path / "bodies"
    file.write_text('{"inputs": [1]}\n{"inputs": [2]}\n', encoding="utf-8")
    return file


# The real server


def test_closed_loop_measures_and_checks(server):
    report = report_of(server.url, "--model", "iris", *SHORT, "--check-share", "1", "--slo-ms", "1000")
    run = report["runs"][0]
    assert run["status"].keys() == {"200"}
    assert run["answers_checked"] == run["requests"] > 20 and run["answers_wrong"] == 0
    assert 0 < run["p50_ms"] <= run["p99_ms"] <= run["max_ms"]
    assert run["good_share"] > 0.5 and sum(run["errors"].values()) == 0
    assert report["load"]["loop"] == "closed" and report["server"].startswith("muster")
    assert report["request"]["path"] == "/predict/iris" and report["request"]["inputs"] == 16
    assert report["origin"]["command"].startswith("muster bench http")


def test_open_loop_keeps_the_rate_whatever_the_schedule(server):
    for arrivals in ("poisson", "constant", "bursty"):
        report = report_of(server.url + "/predict/iris", *SHORT, "--rate", "500", "--arrivals", arrivals)
        run = report["runs"][0]
        assert report["load"]["arrivals"] == arrivals
        assert "lag_p99_ms" in run and "waited_share" in run
        if arrivals == "constant":
            assert 149 <= run["requests"] <= 151
        assert run["status"].get("200", 0) == run["requests"]


def test_phases_follow_each_other_and_are_reported_stretch_by_stretch(server):
    report = report_of(
        server.url + "/predict/iris", "--phases", "200:0.5,2000:0.5,200:0.5", "--arrivals", "constant",
        "--warm-up", "0.05", "--series-ms", "500", "--slo-ms", "1000", "--inputs", "16",
    )  # fmt: skip
    assert [phase["rate"] for phase in report["load"]["phases"]] == [200, 2000, 200]
    run = report["runs"][0]
    low, high, after = (stretch["requests"] for stretch in run["series"])
    assert 90 <= low <= 110 and 980 <= high <= 1010 and 90 <= after <= 110
    assert run["requests"] == low + high + after
    assert sum(stretch["ok"] for stretch in run["series"]) == run["status"]["200"]


def test_the_same_seed_draws_the_same_schedule(server):
    counts = {
        report_of(server.url + "/predict/iris", *SHORT, "--rate", "800", "--seed", seed)["runs"][0]["requests"]
        for seed in (5, 5)
    }
    assert len(counts) == 1


def test_rows_threads_repeats_and_a_burst_of_connections(server, tmp_path):
    file = tmp_path / "report.json"
    result = bench(
        "--cores", "0,0", server.url, "--model", "digits", *SHORT, "--rows", "3", "--threads", "2", "--repeats", "2",
        "--connect-burst", "20", "--timeout-ms", "5000", "--json", file,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert "closed loop, 4 connections" in result.stdout and "median" in result.stdout
    report = json.loads(file.read_text(encoding="utf-8"))
    assert report["request"]["path"] == "/predict/digits/batch"
    assert len(report["runs"]) == 2 and report["summary"]["connect_failed"]["max"] == 0
    assert report["summary"]["rate"]["min"] <= report["summary"]["rate"]["median"]


def test_raw_bodies_are_answered_as_json_is(server):
    raw = requests.post(
        server.url + "/predict/iris", bytes(16), headers={"Content-Type": "application/octet-stream"}, timeout=PATIENCE
    )
    if raw.status_code == 415:
        pytest.skip("this server takes no raw bodies")
    report = report_of(server.url + "/predict/iris", *SHORT, "--raw", "--rows", "2")
    assert report["runs"][0]["status"].keys() == {"200"}


def test_oip_bodies_are_answered(server):
    if server.get("/v2/models/iris").status_code == 404:
        pytest.skip("this server does not speak the Open Inference Protocol")
    report = report_of(server.url + "/v2/models/iris/infer", *SHORT)
    assert report["request"]["kind"] == "oip" and report["runs"][0]["status"].keys() == {"200"}


def test_find_rate_brackets_and_confirms(server):
    # A schedule that no machine keeps up with ends the search from above.
    report = report_of(
        server.url + "/predict/iris", "--find-rate", "--slo-ms", "500", "--share", "0.5", "--rate", "200000",
        "--duration", "0.1", "--warm-up", "0.05", "--inputs", "16", "--give-up-ms", "200",
    )  # fmt: skip
    search = report["search"]
    assert 0 < search["rate"] and search["steps"][-1]["enough"]
    assert search["steps"][-1]["rate"] == search["rate"]
    assert report["runs"][0]["good_share"] >= 0.5


def test_compare_shows_ratios(server, tmp_path):
    files = [tmp_path / "a.json", tmp_path / "b.json"]
    for file in files:
        assert bench(server.url + "/predict/iris", *SHORT, "--json", file).returncode == 0
    result = bench("--compare", *files)
    assert result.returncode == 0, result.stderr
    assert "B / A" in result.stdout and "latency mean" in result.stdout
    files[1].write_text("{}", encoding="utf-8")
    result = bench("--compare", *files)
    assert result.returncode == 2 and "the second file is no report" in result.stderr


def test_expected_values_come_from_a_file(server, tmp_path):
    row = {"inputs": [5.1, 3.5, 1.4, 0.2]}
    data, expect = tmp_path / "data", tmp_path / "expect"
    data.write_text(json.dumps(row) + "\n", encoding="utf-8")
    right = server.answer("/predict/iris", row)["result"]
    expect.write_text(json.dumps(right) + "\n", encoding="utf-8")
    args = (server.url + "/predict/iris", *SHORT, "--data", data, "--expect", expect)
    assert report_of(*args)["request"]["generated"] is False
    expect.write_text('{"label": "no iris"}\n', encoding="utf-8")
    result = bench(*args)
    assert result.returncode == 1
    assert "input 1 to /predict/iris" in result.stderr and "no iris" in result.stderr


def test_a_given_body_is_sent_as_it_is_and_as_what_it_is_said_to_be(tmp_path):
    body = bytes(range(256)) * 3
    file, seen = tmp_path / "body", set()
    file.write_bytes(body)

    def behave(connection, read_request):
        while True:
            head = read_request()
            if head.startswith(b"POST"):
                seen.add(head.lower().partition(b"content-type: ")[2].split(b"\r\n")[0])
                seen.add(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
            connection.sendall(answer(b'{"result": [1, 2]}'))

    with impostor(behave) as url:
        report = report_of(url, *SHORT, "--body", file, "--content-type", "image/jpeg", "--check-share", "1")
    assert seen == {b"image/jpeg", b"%d" % len(body)}
    assert report["request"]["kind"] == "body" and report["request"]["inputs"] == 1
    assert report["request"]["generated"] is False
    assert report["runs"][0]["answers_checked"] == report["runs"][0]["requests"] > 10


def test_answers_to_a_given_body_must_all_be_the_first(tmp_path):
    file = tmp_path / "body"
    file.write_bytes(b"\xff\xd8\xff")
    state = {"answers": 0}

    def behave(connection, read_request):
        while True:
            read_request()
            state["answers"] += 1
            connection.sendall(answer(b'{"result": [1]}' if state["answers"] < 20 else b'{"result": [2]}'))

    with impostor(behave) as url:
        result = bench(url, *SHORT, "--body", file, "--check-share", "1")
    assert result.returncode == 1 and "at [0]: expected 1, got 2" in result.stderr


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (["--model", "nope"], 1, ["no model `nope`", "digits, iris"]),
        (["--model", "iris", "--conections", "4"], 2, ["Did you mean --connections?"]),
        (["--model", "iris", "--input", "4"], 2, ["Did you mean --inputs?"]),
        (["--model", "iris", "--arrivals", "poisson"], 2, ["expected --rate R"]),
        (["--model", "iris", "--rate", "5", "--arrivals", "x"], 2, ["poisson, constant or bursty", "`x`"]),
        (["--model", "iris", "--find-rate"], 2, ["--slo-ms"]),
        (["--model", "iris", "--threads", "9", "-c", "8"], 2, ["--threads", "8 connections"]),
        (["--model", "iris", "--cores", "999"], 2, ["--cores", "999"]),
        (["--model", "iris", "--phases", "5:1,x"], 2, ["--phases", "RATE:SECONDS", "`x`"]),
        (["--model", "iris", "--phases", "5:1", "--rate", "5"], 2, ["--phases", "without --rate"]),
        (["--model", "../x"], 2, ["--model", "`../x`"]),
        (["--model", "iris", "--data", "/no/file"], 2, ["--data", "cannot read `/no/file`"]),
        (["--model", "iris", "--body", "/no/file"], 2, ["--body", "cannot read `/no/file`"]),
        (["--model", "iris", "--body", "/dev/null"], 2, ["--body", "is empty"]),
        (["--model", "iris", "--body", "x", "--raw"], 2, ["--body", "without --raw"]),
        (["--model", "iris", "--content-type", "image/jpeg"], 2, ["--content-type", "--body FILE"]),
    ],
)
def test_wrong_usage_is_named(server, args, code, words):
    result = bench(server.url, *args)
    assert result.returncode == code, result.stderr
    for word in words:
        assert word in result.stderr


def test_a_refused_body_ends_it_before_anything_is_timed(server, tmp_path):
    data = tmp_path / "data"
    data.write_text('{"inputs": [1, 2, 3, 4]}\n{"inputs": [1]}\n', encoding="utf-8")
    result = bench(server.url + "/predict/iris", "--data", data)
    assert result.returncode == 1
    assert "input 2 to /predict/iris was answered 400" in result.stderr


def test_the_url_may_name_a_version_or_a_batch_route(server):
    report = report_of(server.url + "/predict/iris/versions/1", *SHORT)
    assert report["request"]["path"] == "/predict/iris/versions/1" and report["request"]["model"] == "iris"
    result = bench(server.url + "/predict/iris/batch")
    assert result.returncode == 2 and "--rows of at least 2" in result.stderr
    result = bench(server.url + "/predict/iris", "--model", "digits")
    assert result.returncode == 2 and "the URL names another, `iris`" in result.stderr


def test_no_server_and_no_url():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        result = bench(f"http://127.0.0.1:{s.getsockname()[1]}", "--model", "m")
    assert result.returncode == 1 and "Connection refused" in result.stderr
    assert bench().returncode == 2
    assert "expected a URL such as" in bench("https://localhost").stderr


def test_an_interrupt_prints_what_was_measured(server):
    process = subprocess.Popen(
        [BINARY, "bench", server.url + "/predict/iris", "--duration", "60", "--warm-up", "0", "--inputs", "4"],
        env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    model = server.model("iris")["request_count"]
    end = time.monotonic() + PATIENCE
    while server.model("iris")["request_count"] < model + 100 and time.monotonic() < end:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, err
    assert "interrupted" in out and "answers 200/s" in out


# Servers that misbehave


def test_chunked_answers_and_closed_connections_are_read(bodies):
    def behave(connection, read_request):
        for last in (False, True):
            read_request()
            close = b"Connection: close\r\n" if last else b""
            connection.sendall(b"HTTP/1.1 200 OK\r\n" + close + b"Transfer-Encoding: chunked\r\n\r\n9\r\n")
            connection.sendall(b'{"result"\r\n4\r\n:[1]\r\n1\r\n}\r\n0\r\n\r\n')

    with impostor(behave) as url:
        run = report_of(url, "--data", bodies, *SHORT, "--check-share", "1")["runs"][0]
    assert run["status"].keys() == {"200"} and run["answers_checked"] == run["requests"] > 10
    assert sum(run["errors"].values()) == 0


def test_an_answer_that_changes_under_load_is_an_error(bodies):
    state = {"answers": 0}

    def behave(connection, read_request):
        while True:
            read_request()
            state["answers"] += 1
            connection.sendall(answer(b'{"result": [1, 2.5]}' if state["answers"] < 30 else b'{"result": [1, 2.6]}'))

    with impostor(behave) as url:
        result = bench(url, "--data", bodies, *SHORT, "--check-share", "1")
    assert result.returncode == 1
    assert "wrong answer: input" in result.stderr and "at [1]: expected 2.5, got 2.6" in result.stderr


def test_resets_time_outs_and_nonsense_are_counted_apart(bodies):
    state = {"requests": 0}

    def behave(connection, read_request):
        while True:
            read_request()
            state["requests"] += 1
            kind = 0 if state["requests"] < 10 else state["requests"] % 4
            if kind == 1:
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
                return
            if kind == 2:
                connection.sendall(b"SSH-2.0-OpenSSH_9\r\n\r\n")
                return
            if kind == 3 and state["requests"] % 12 == 3:
                read_request()  # never comes: the client gives up
            connection.sendall(answer(b'{"result": 1}'))

    with impostor(behave) as url:
        run = report_of(url, "--data", bodies, *SHORT, "--give-up-ms", "100")["runs"][0]
    assert run["errors"]["reset"] > 0 and run["errors"]["no_http"] > 0 and run["errors"]["timeout"] > 0
    assert run["status"]["200"] > 0


def test_a_slow_server_cannot_hide_behind_requests_that_were_not_sent(bodies):
    """One connection, 10 ms an answer, 300 requests/s due: the wait for the connection is latency."""

    def behave(connection, read_request):
        while True:
            read_request()
            time.sleep(0.01)
            connection.sendall(answer(b'{"result": 1}'))

    with impostor(behave) as url:
        args = ("--data", bodies, "--duration", "0.4", "--warm-up", "0", "-c", "1", "--max-connections", "1")
        run = report_of(url, *args, "--rate", "300", "--arrivals", "constant")["runs"][0]
    assert run["requests"] >= 118
    assert run["max_ms"] > 400 and run["p50_ms"] > 150  # not 10
    assert run["waited_share"] > 0.9
