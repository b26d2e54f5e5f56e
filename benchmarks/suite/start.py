"""Process start to the first right answer, and resident memory with all the examples loaded."""

import json
import time
import urllib.request

from .figures import Failure
from .processes import EXAMPLES, muster
from .session import Session

ROW = b'{"inputs": [5.1, 3.5, 1.4, 0.2]}'


def run(s: Session):
    times, sizes = [], []
    for _ in range(max(s.repeats, s.pick(5, 1))):
        begin = time.monotonic()
        with muster(EXAMPLES) as server:
            request = urllib.request.Request(server.url + "/predict/iris", ROW, {"Content-Type": "application/json"})
            with urllib.request.urlopen(request, timeout=10) as response:
                answer = json.load(response)
            times.append((time.monotonic() - begin) * 1e3)
            if "setosa" not in json.dumps(answer):
                raise Failure(f"the first answer is wrong: {answer}")
            sizes.append(server.resident_mib())
    s.line("start", times)
    s.line("memory", sizes)
