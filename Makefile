# `make` alone lists what there is.
# The presets and the build itself are CMake's; this file only puts the steps in order.

PORT ?= 8000
SECONDS ?= 60

server := build/release/apps/muster/muster
venv   := .deps/venv
# Without it the runtime of the Python tests and scripts reports to its makers; muster sees to its own.
export ORT_DISABLE_TELEMETRY := 1

# ThreadSanitizer of this compiler aborts where the kernel randomizes addresses by more bits than it
# knows of. Not randomizing avoids that; containers may forbid the switch, hence the attempt.
no_aslr = $$(setarch -R true 2>/dev/null && echo setarch -R)

# $(call configure,PRESET): nothing to do once configured with tests; ninja itself sees to later changes.
define configure
grep -qs '^MUSTER_BUILD_TESTS:BOOL=ON$$' build/$(1)/CMakeCache.txt && test -f build/$(1)/build.ninja \
	|| cmake --preset $(1) -DMUSTER_BUILD_TESTS=ON
endef

# Also true where git does not know the folder: an empty list must fail, not pass.
cxx_files = files=$$(git ls-files '*.h' '*.cc') && test -n "$$files" || { echo "no C++ files found" >&2; exit 1; }

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help run test build test-unit test-asan test-tsan test-clang fuzz lint format bench clean setup-run setup-test

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: setup-run ## install what is missing, build the server and serve examples/models (PORT=8000)
	@test -f build/release/build.ninja || cmake --preset release
	@cmake --build --preset release --target muster
	@exec $(server) serve examples/models --http-port $(PORT)

test: build test-unit $(venv)/installed ## install what is missing, build all, run the unit and the process-level tests
	@MUSTER_BINARY=$(CURDIR)/$(server) $(venv)/bin/python -m pytest tests -q

build: setup-test ## build everything, tests included, as released (build/release)
	@$(call configure,release)
	@cmake --build --preset release

test-unit: build ## build and run the unit tests
	@ctest --preset release

test-asan: setup-test ## the unit tests under AddressSanitizer and UndefinedBehaviorSanitizer
	@$(call configure,asan)
	@cmake --build --preset asan
	@ctest --preset asan

test-tsan: setup-test ## the unit tests under ThreadSanitizer
	@$(call configure,tsan)
	@cmake --build --preset tsan
	@$(no_aslr) ctest --preset tsan

test-clang: setup-test ## the unit tests built by clang, with thread-safety analysis
	@$(call configure,clang)
	@cmake --build --preset clang
	@ctest --preset clang

fuzz: setup-test ## fuzz what reads pictures: each fuzzer for SECONDS (60)
	@test -f build/fuzz/build.ninja || cmake --preset fuzz
	@cmake --build --preset fuzz
	@tests/fuzz/run $(SECONDS)

lint: setup-test ## check the format of C++ files and the dependencies between modules
	@$(cxx_files); echo "$$files" | xargs clang-format-19 --dry-run -Werror
	@python3 tools/check_dependencies.py

format: setup-test ## format the C++ files
	@$(cxx_files); echo "$$files" | xargs clang-format-19 -i

bench: build $(venv)/installed ## measure every figure of docs/benchmarks.md (an hour; benchmarks/run --quick: six minutes)
	@test -x benchmarks/run || { echo "benchmarks/run is missing" >&2; exit 1; }
	@benchmarks/run

clean: ## remove what was built; what was downloaded stays in .deps
	@rm -rf build

setup-run:
	@tools/setup run
	@tools/fetch-onnxruntime

setup-test:
	@tools/setup run test
	@tools/fetch-onnxruntime

$(venv)/installed: tests/requirements.txt | setup-test
	@python3 -m venv --clear $(venv)
	@$(venv)/bin/python -m pip install --quiet --disable-pip-version-check --only-binary=:all: -r $<
	@touch $@
