#!/usr/bin/env python3
"""Plants each fault that check_dependencies.py is there for in a small tree and expects to be told."""

import contextlib
import io
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import check_dependencies  # noqa: E402

TABLE = """
# comment
base:
engine:        base   # comment after an entry
server/http:   base engine
backends/onnx: base
vendor onnxruntime: backends/onnx
"""

CLEAN = {
    "src/muster/MODULES": TABLE,
    "src/muster/base/clock.h": "#pragma once\n#include <chrono>\n",
    "src/muster/base/internal/wait.h": "#pragma once\n",
    "src/muster/base/clock.cc": '#include "muster/base/clock.h"\n#include "muster/base/internal/wait.h"\n',
    "src/muster/engine/engine.h": '#include "muster/base/clock.h"\n',
    "src/muster/server/http/session.cc": '#include "muster/engine/engine.h"\n',
    "src/muster/backends/onnx/session.cc": "#include <onnxruntime_cxx_api.h>\n",
    "apps/muster/main.cc": '#include "muster/server/http/session.h"\n#include "onnxruntime_c_api.h"\n',
}


class CheckDependencies(unittest.TestCase):
    def check(self, changes: dict[str, str]) -> tuple[int, str]:
        """Exit status and complaints for the clean tree with `changes` made to it."""
        with tempfile.TemporaryDirectory() as root:
            for path, text in {**CLEAN, **changes}.items():
                file = Path(root, path)
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text)
            complaints = io.StringIO()
            with contextlib.redirect_stderr(complaints), contextlib.redirect_stdout(io.StringIO()):
                status = check_dependencies.main([root])
            return status, complaints.getvalue()

    def assert_refused(self, changes: dict[str, str], *expected: str) -> None:
        status, complaints = self.check(changes)
        self.assertEqual(status, 1)
        lines = complaints.splitlines()
        # The planted fault and the closing line, nothing else.
        self.assertEqual(len(lines), 2, complaints)
        for text in expected:
            self.assertIn(text, lines[0])

    def test_clean_tree_passes(self):
        self.assertEqual(self.check({}), (0, ""))

    def test_upward_include_is_refused_with_place_and_allowed_modules(self):
        self.assert_refused(
            {"src/muster/engine/engine.cc": '// why\n#include "muster/server/http/session.h"\n'},
            "src/muster/engine/engine.cc:2: engine includes server/http; allowed besides itself: base",
        )

    def test_sibling_include_is_refused(self):
        self.assert_refused(
            {"src/muster/backends/onnx/model.h": '#include "muster/engine/engine.h"\n'},
            "backends/onnx includes engine",
        )

    def test_tests_of_a_module_are_held_to_its_edges(self):
        self.assert_refused(
            {"src/muster/base/clock_test.cc": '#include "muster/engine/engine.h"\n'},
            "base includes engine; allowed besides itself: none",
        )

    def test_angle_brackets_and_spaces_are_no_way_round(self):
        self.assert_refused(
            {"src/muster/base/clock.cc": "  #  include <muster/engine/engine.h>\n"}, "base includes engine"
        )

    def test_relative_path_is_no_way_round(self):
        self.assert_refused(
            {"src/muster/base/clock.cc": '#include "../engine/engine.h"\n'}, "base includes engine"
        )

    def test_cycle_in_the_table_is_refused(self):
        self.assert_refused(
            {"src/muster/MODULES": TABLE.replace("base:\n", "base: server/http\n")},
            "cycle base -> server/http -> base",
        )

    def test_folder_missing_from_the_table_is_refused(self):
        self.assert_refused(
            {"src/muster/batching/queue.cc": '#include "muster/base/clock.h"\n'},
            "src/muster/batching: has sources but belongs to no module",
        )

    def test_parent_of_modules_is_not_a_module(self):
        self.assert_refused(
            {"src/muster/server/front.h": "#pragma once\n"}, "src/muster/server: has sources but belongs to no"
        )

    def test_include_of_an_unknown_module_is_refused(self):
        self.assert_refused(
            {"src/muster/engine/engine.h": '#include "muster/batching/queue.h"\n'},
            "src/muster/engine/engine.h:1: includes muster/batching/queue.h, which belongs to no module",
        )

    def test_vendor_header_outside_its_adapter_is_refused(self):
        self.assert_refused(
            {"src/muster/engine/engine.h": "#include <onnxruntime_cxx_api.h>\n"},
            "src/muster/engine/engine.h:1: engine includes <onnxruntime_cxx_api.h>",
            "are for: backends/onnx",
        )

    def test_internal_header_of_another_module_is_refused(self):
        self.assert_refused(
            {"src/muster/engine/engine.h": '#include "muster/base/internal/wait.h"\n'},
            "engine includes base, whose internal/ headers are for base alone",
        )

    def test_internal_headers_are_closed_to_apps_too(self):
        self.assert_refused(
            {"apps/muster/main.cc": '#include "muster/base/internal/wait.h"\n'}, "apps/muster/main.cc:1:"
        )

    def test_table_naming_a_module_without_a_line_is_refused(self):
        self.assert_refused(
            {"src/muster/MODULES": TABLE.replace("engine:        base", "engine: base tensor")},
            "engine names tensor, which has no line of its own",
        )

    def test_second_line_for_a_module_is_refused(self):
        self.assert_refused({"src/muster/MODULES": TABLE + "engine: base\n"}, "a second line for engine")

    def test_line_of_another_form_is_refused(self):
        self.assert_refused({"src/muster/MODULES": TABLE + "engine base\n"}, "MODULES:8: neither")

    def test_tree_without_includes_is_refused(self):
        with tempfile.TemporaryDirectory() as root:
            Path(root, "src/muster").mkdir(parents=True)
            Path(root, "src/muster/MODULES").write_text("base:\n")
            complaints = io.StringIO()
            with contextlib.redirect_stderr(complaints):
                self.assertEqual(check_dependencies.main([root]), 1)
            self.assertIn("no #include found", complaints.getvalue())


if __name__ == "__main__":
    unittest.main()
