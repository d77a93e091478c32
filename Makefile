# make demo, make test: all the set-up on a machine with python3, make and g++, then the job.
# PYTHON=python3.12 make test: with another Python.

PYTHON ?= python3
VENV ?= .venv
PATHS ?= 100000

BIN := $(VENV)/bin
STAMP := $(VENV)/stamp
CXX_SOURCES := $(shell find kernels -name '*.cpp' -o -name '*.h' -o -name '*.cu' | sort)
TEST_SOURCES := tests/lockstep/lockstep.cpp tests/builds/paths.cpp tests/builds/engine.cpp
BUILD_FILES := pyproject.toml CMakeLists.txt constraints.txt $(CXX_SOURCES)
BUILD_REQUIRES = cmake ninja $$($(PYTHON) -c 'import tomllib; \
  print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"])')
CLANG = $(if $(filter Linux,$(shell uname -s)),1,)
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet -c constraints.txt

.PHONY: demo test test-slow lint format bench docs notebooks constraints clean
.DELETE_ON_ERROR:

demo: $(STAMP)/installed
	@$(BIN)/python -c 'import kernels._fused' 2>/dev/null || \
	  echo "The fused engine could not be built here, so this runs on the NumPy reference, a hundred times slower." \
	  "Try: apt-get install g++ python3-dev, then make clean demo; or PATHS=1000 make demo" >&2
	$(BIN)/stress run configs/oct-2025.yaml --paths $(PATHS)

# A file's tests share what they compiled or ran, so one worker has the whole file; tests/conftest.py orders them.
test: $(STAMP)/fused
	STRESS_REQUIRE_FUSED=1 STRESS_REQUIRE_CLANG=$(CLANG) $(BIN)/python -m pytest \
	  -n auto --dist loadfile --no-loadscope-reorder

test-slow: $(STAMP)/fused
	STRESS_REQUIRE_FUSED=1 $(BIN)/python -m pytest -m slow

lint: $(STAMP)/fused
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/clang-format --dry-run --Werror $(CXX_SOURCES) $(TEST_SOURCES)
	$(BIN)/basedpyright

format: $(STAMP)/fused
	$(BIN)/ruff format
	$(BIN)/ruff check --fix
	$(BIN)/clang-format -i $(CXX_SOURCES) $(TEST_SOURCES)

bench: $(STAMP)/fused
	$(BIN)/stress bench

docs: $(STAMP)/docs
	$(BIN)/python tools/page_commands.py docs/start.md
	$(BIN)/sphinx-build -W --keep-going -b html docs docs/_build/html

# Each from a clean kernel; what they show goes to build/notebooks.
notebooks: $(STAMP)/notebooks
	$(BIN)/python tools/notebooks.py notebooks build/notebooks

# Set-up ------------------------------------------------------------------------------------------

# The build backend and its tools are installed first, pinned, so that pip builds without isolation:
# builds are reproducible and, after an edit of the C++, incremental.
$(STAMP)/venv: constraints.txt pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; (3, 11) <= v <= (3, 12) or sys.exit( \
	  "liquidation-stress needs Python 3.11 or 3.12, and $(PYTHON) is %d.%d. Try: PYTHON=python3.12 make" % v)'
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "$(PYTHON) cannot make virtual environments (no venv or ensurepip). Try: apt-get install python3-venv" >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) $(BUILD_REQUIRES)
	@mkdir -p $(STAMP) && touch $@

# Without a compiler, or without Python's headers, the install still succeeds and leaves the fused engine out.
$(STAMP)/installed: $(STAMP)/venv $(BUILD_FILES)
	PATH="$(abspath $(BIN)):$$PATH" $(PIP) --no-build-isolation -e .
	@touch $@

# Here a missing compiler, a compile error or a warning stops everything.
$(STAMP)/fused: $(STAMP)/venv $(BUILD_FILES)
	@$(BIN)/python -c 'import sys, sysconfig, pathlib; p = pathlib.Path(sysconfig.get_path("include"), "Python.h"); \
	  p.is_file() or sys.exit(f"The fused engine needs the C headers of Python, and {p} is not there. Try: apt-get install python3-dev")'
	STRESS_REQUIRE_FUSED=1 PATH="$(abspath $(BIN)):$$PATH" $(PIP) --no-build-isolation -e '.[dev]'
	@touch $@ $(STAMP)/installed

$(STAMP)/docs $(STAMP)/notebooks: $(STAMP)/installed
	$(PIP) $$($(BIN)/python -c 'import tomllib; \
	  print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["$(@F)"])')
	@touch $@

# The newest versions that pyproject.toml admits, for both Pythons and every extra. Needs `uv`.
constraints: $(STAMP)/venv
	@mkdir -p build
	@printf '%s\n' $(BUILD_REQUIRES) > build/requires.txt
	uv pip compile --universal --python-version 3.11 --no-header --no-annotate --all-extras --upgrade \
	  --quiet -o constraints.txt pyproject.toml build/requires.txt

clean:
	rm -rf $(VENV) build dist .pytest_cache .ruff_cache .hypothesis
