"""After each of these tests, whatever was sent: the server is as it was before."""

import pytest


@pytest.fixture(autouse=True)
def unharmed(request):
    """Checks the servers that the test has used; those of its own it checks before they end."""
    yield
    for name in ("server", "own_server"):
        if name in request.fixturenames:
            request.getfixturevalue(name).assert_unharmed()
