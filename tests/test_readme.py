"""The requests that README.md proposes work as they stand there."""

import re
import shlex
import subprocess

import pytest

from support import EXAMPLES, PATIENCE, ROOT, Server

README = ROOT / "README.md"
URL = re.compile(r"(?:http://)?(?:localhost|127\.0\.0\.1):8000\b")


def curl_lines():
    """The commands of README's ```sh blocks that begin with curl; a backslash continues one."""
    if not README.exists():
        return []
    text = README.read_text(encoding="utf-8")
    shell = "\n".join(re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL))
    joined = re.sub(r"\\\n\s*", " ", shell)
    return [line for line in joined.splitlines() if line.startswith("curl ")]


@pytest.fixture(scope="module")
def server():
    with Server(EXAMPLES) as running:
        yield running


def test_the_readme_proposes_requests():
    assert curl_lines(), "README.md has no line in ```sh that begins with curl"


@pytest.mark.parametrize("line", curl_lines())
def test_a_request_of_the_readme_is_answered_with_200(server, line):
    assert URL.search(line), f"not a request to the server of README: {line}"
    assert "|" not in shlex.split(line), "the status is that of curl only without a pipe"
    command = URL.sub(server.url, line) + r" --silent --show-error --write-out '\n%{http_code}'"
    done = subprocess.run(
        ["sh", "-c", command],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.rsplit("\n", 1)[1] == "200", done.stdout
