"""Fixtures of all process-level tests."""

import contextlib

import pytest

import support
from watched_server import WatchedServer


@pytest.fixture(scope="session")
def server():
    """One server for the whole run with every model of the tests and of the examples."""
    with WatchedServer(support.MODELS, support.EXAMPLES) as started:
        yield started


@pytest.fixture
def start_server():
    """Starts servers with options of a test's own; ends them with it, and checks how they end."""
    with contextlib.ExitStack() as servers:
        yield lambda *paths, **options: servers.enter_context(WatchedServer(*paths, **options))


@pytest.fixture
def serve(tmp_path):
    """Starts a server with one model and a muster.yaml of the test's own."""
    servers = []

    def start(model, config):
        support.copy_model(model, tmp_path, config=config)
        servers.append(support.Server(tmp_path).__enter__())
        return servers[-1]

    yield start
    for server in servers:
        server.__exit__()
