"""The requests that the documents propose work as they stand there."""

import re
import shlex
import subprocess

import pytest

from support import EXAMPLES, PATIENCE, ROOT, Server

DOCUMENTS = [ROOT / "README.md", ROOT / "docs" / "clients.md"]
URL = re.compile(r"(?:http://)?(?:localhost|127\.0\.0\.1):8000\b")


def curl_lines(document):
    """The commands of its ```sh blocks that begin with curl; a backslash continues one."""
    if not document.exists():
        return []
    text = document.read_text(encoding="utf-8")
    shell = "\n".join(re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL))
    joined = re.sub(r"\\\n\s*", " ", shell)
    return [line for line in joined.splitlines() if line.startswith("curl ")]


@pytest.fixture(scope="module")
def server():
    with Server(EXAMPLES) as running:
        yield running


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_a_document_proposes_requests(document):
    assert curl_lines(document), f"{document.name} has no line in ```sh that begins with curl"


@pytest.mark.parametrize("line", [line for each in DOCUMENTS for line in curl_lines(each)])
def test_a_request_of_a_document_is_answered_with_200(server, line):
    assert URL.search(line), f"not a request to the server of the documents: {line}"
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
