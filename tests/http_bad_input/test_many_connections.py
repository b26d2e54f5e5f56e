"""P10: more connections than there is room for."""

import resource
import time

import pytest

import support
import wire
from watched_server import GOOD_REQUEST

MODELS = [support.MODELS / "two_inputs"]


@pytest.fixture
def start_checked(start_server):
    started = []

    def start(*args, descriptors=None):
        started.append(start_server(*MODELS, args=args, descriptors=descriptors))
        return started[-1]

    yield start
    for server in started:
        server.assert_unharmed()


def health_on_its_own_port(server):
    begin = time.monotonic()
    status = server.ask("/health/live", server.metrics_address).status
    return status == 200 and time.monotonic() - begin < 0.5


def is_refused(connection):
    """Closed, with 503 or without a word."""
    while not connection.ended:
        connection._receive()
    if connection.buffer:
        wire.assert_error(connection.response(), 503, "TOO_MANY_CONNECTIONS")
    connection.assert_ends()
    return True


def is_served(server):
    """Clients that left before they were accepted still have to be accepted, which may take the
    last descriptors for a moment: a newcomer may be refused once more."""
    with server.connect() as connection:
        connection.send(GOOD_REQUEST)
        return not connection.ended and connection._receive()


def close_all(connections):
    for connection in connections:
        connection.socket.close()


def test_P10_connections_beyond_the_limit_are_refused(start_checked):
    server = start_checked("--max-connections", 100)
    kept = [server.connect() for _ in range(100)]
    support.wait_until(lambda: server.metric("muster_http_connections") >= 100, "all are open")
    extra = [server.connect() for _ in range(50)]
    assert all(is_refused(connection) for connection in extra)
    assert health_on_its_own_port(server)
    for connection in kept[::10]:
        assert connection.send(GOOD_REQUEST).response().status == 200
    assert server.metric("muster_http_connections_refused_total") == 50
    close_all(extra + kept[:1])
    # Room again as soon as one has left.
    support.wait_until(lambda: server.metric("muster_http_connections") <= 100, "one has left")
    assert server.send_good().status == 200
    close_all(kept)


def test_P10_refused_client_that_has_sent_its_request_reads_why(start_checked):
    server = start_checked("--max-connections", 10)
    kept = [server.connect() for _ in range(10)]
    support.wait_until(lambda: server.metric("muster_http_connections") >= 10, "all are open")
    answers = []
    for _ in range(20):
        with server.connect() as connection:
            connection.send(GOOD_REQUEST)
            answers.append(connection.response())
            connection.assert_ends()
    for answer in answers:
        wire.assert_error(answer, 503, "TOO_MANY_CONNECTIONS")
        assert answer.headers["connection"] == "close"
    close_all(kept)


def test_P10_10000_idle_connections(start_checked):
    """As many as this machine lets us have; each costs the server little and no time."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        count = min(10_000, hard - 500)
        server = start_checked("--max-connections", count + 10)
        before = server.resident_bytes()
        idle = [server.connect() for _ in range(count)]
        support.wait_until(
            lambda: server.metric("muster_http_connections") >= count, "all are open"
        )
        server.assert_grew_less_than(16_384 * count, before)
        cpu = server.cpu_seconds()
        with server.connect() as connection:
            for _ in range(20):
                begin = time.monotonic()
                assert connection.send(GOOD_REQUEST).response().status == 200
                assert time.monotonic() - begin < 0.25
        assert health_on_its_own_port(server)
        assert server.cpu_seconds() - cpu < 0.5
        for connection in idle[:: count // 10]:
            assert connection.send(GOOD_REQUEST).response().status == 200
        close_all(idle)
        server.assert_at_base(within=10)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture
def starved(start_checked):
    """A server whose clients have taken every descriptor that they can get, with a limit of
    connections that promises more."""
    server = start_checked("--max-connections", 1000, descriptors=(128, 128))
    probe = wire.Wire(server.metrics_address)
    assert probe.send(wire.request("GET", "/health/live")).response().status == 200
    clients = [server.connect() for _ in range(300)]
    support.wait_until(
        lambda: server.metric("muster_http_connections_refused_total", via=probe) > 0,
        "some are refused",
    )
    yield server, probe, clients
    close_all([*clients, probe])
    support.wait_until(lambda: is_served(server), "newcomers are served again", 2)
    server.assert_at_base(within=5)


def test_P10_without_descriptors_the_health_port_still_answers(starved):
    server, probe, _ = starved
    assert probe.send(wire.request("GET", "/health/live")).response().status == 200
    assert health_on_its_own_port(server)


def test_P10_without_descriptors_accepting_does_not_spin(starved):
    server, probe, _ = starved
    lines = len(server.errors)
    cpu, begin = server.cpu_seconds(), time.monotonic()
    while time.monotonic() - begin < 1:
        assert probe.send(wire.request("GET", "/health/live")).response().status == 200
        wire.select.select([], [], [], 0.05)
    assert server.cpu_seconds() - cpu < 0.3
    assert len(server.errors) - lines < 30, "the log is flooded"


def test_P10_without_descriptors_those_who_are_in_are_served(starved):
    server, probe, clients = starved
    assert clients[0].send(GOOD_REQUEST).response().status == 200
    close_all([*clients, probe])
    support.wait_until(lambda: is_served(server), "newcomers are served again", 2)


def test_P10_small_descriptor_limit(start_checked):
    """With no limit of connections given, half of the descriptors are kept back."""
    server = start_checked(descriptors=(128, 128))
    clients = [server.connect() for _ in range(300)]
    support.wait_until(
        lambda: server.metric("muster_http_connections_refused_total") > 0, "some are refused"
    )
    for _ in range(5):
        assert health_on_its_own_port(server)
    close_all(clients)
    server.assert_at_base(within=5)


def test_P10_soft_descriptor_limit_is_raised_at_the_start(start_checked):
    """Shells and services start programs with few descriptors and leave it to them to take more."""
    server = start_checked(descriptors=(64, 1024))
    assert resource.prlimit(server.pid, resource.RLIMIT_NOFILE) == (1024, 1024)
    clients = [server.connect() for _ in range(300)]
    for client in clients:
        assert client.send(GOOD_REQUEST).response().status == 200
    assert server.metric("muster_http_connections_refused_total") == 0
    raised = [line for line in server.errors if "descriptor limit raised" in line]
    assert len(raised) == 1 and "from=64" in raised[0] and "to=1024" in raised[0], server.errors
    close_all(clients)
    server.assert_at_base(within=5)


def test_P10_5000_connections_that_come_and_go(server):
    """Short ones, one after the other: nothing is left of them."""
    for i in range(5000):
        with server.connect() as connection:
            if i % 10 == 0:
                assert connection.send(GOOD_REQUEST).response().status == 200
