# Everything a newcomer needs; `make help` lists it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.setup-done
SPELLED := README.md CHANGELOG.md CONTRIBUTING.md docs src tests examples deploy Makefile .ci .github \
	docker-compose.yml module.xml
PIP := $(BIN)/python -m pip --disable-pip-version-check
ARGS ?=
PYTHON_IMAGE ?= python:3.12.11-slim-bookworm

.DEFAULT_GOAL := help
.PHONY: help setup demo test iris-test check bench lock image-locks wheel wheelhouse clean

help:  ## list the targets
	@grep -E '^[a-z-]+:.*## ' Makefile | sed -E 's/^([a-z-]+):[^#]*## /  make \1|/' | \
		while IFS='|' read -r target text; do printf '%-18s %s\n' "$$target" "$$text"; done

setup: $(STAMP)  ## make .venv and install the locked packages into it

demo: setup  ## two years of bike rentals, month by month (ARGS="--keep DIR" keeps the home)
	@$(BIN)/ct demo $(ARGS)

# Three processes: the suite waits for servers and child processes half of its time.
test: setup  ## run the tests (ARGS="-k drift" picks some)
	@$(BIN)/python -m pytest -n 3 --dist worksteal -rs $(ARGS)

# In a copy of the project with a dur/ of its own; CT_REQUIRE_IRIS=1 lets it fail without docker.
iris-test: setup  ## build and start the containers and test inside IRIS (needs docker)
	@CT_TEST_IRIS=1 $(BIN)/python -m pytest tests/iris -rs --timeout 7200 $(ARGS)

check: setup  ## lint, format, types, import contracts, docstrings, spelling
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@echo "numpydoc lint"; $(BIN)/numpydoc lint $$(find src/python -name '*.py')
	$(BIN)/codespell $(SPELLED)

bench: setup  ## run the benchmarks and print what they measured
	@$(BIN)/python -m benchmarks $(ARGS)

# uv does not read pip's configuration, so the index that pip uses is handed over.
COMPILE = UV_PYTHON_DOWNLOADS=never build/lock/bin/uv pip compile --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --no-header --quiet $(if $(INDEX),--default-index $(INDEX))
INDEX = $(shell build/lock/bin/pip config get global.index-url 2>/dev/null)
lock:  ## choose the packages' versions anew (ARGS="--upgrade" takes newer ones)
	@rm -rf build/lock && $(PYTHON) -m venv build/lock
	@build/lock/bin/pip install -qq --disable-pip-version-check uv
	@$(COMPILE) pyproject.toml --extra postgresql --group dev $(ARGS) \
		--output-file requirements.lock > /dev/null
	@sed -i '1i # Made by `make lock`; universal for Python 3.11 to 3.13. Do not edit.' requirements.lock
	@$(MAKE) --no-print-directory image-locks

# Parts of requirements.lock: what runs inside the image, and what builds the wheel there.
image-locks:  ## write the two parts of requirements.lock that the image needs
	@$(COMPILE) pyproject.toml --extra postgresql --no-annotate --constraint requirements.lock \
		--output-file requirements-runtime.lock > /dev/null
	@echo hatchling | $(COMPILE) - --no-annotate --constraint requirements.lock \
		--output-file deploy/build.lock > /dev/null
	@sed -i '1i # Made by `make lock`: what of requirements.lock the image needs. Do not edit.' \
		requirements-runtime.lock deploy/build.lock

wheel: setup  ## build the package into dist/, from where module.xml takes it
	@$(BIN)/hatchling build -t wheel

# In the image that will install them, so that they fit its Python and processor.
wheelhouse:  ## fetch all wheels of the image, for a build without network (needs docker)
	docker run --rm --volume "$(CURDIR):/project" --workdir /project $(PYTHON_IMAGE) \
		pip download --no-cache-dir --no-deps --require-hashes --only-binary=:all: \
		--dest deploy/wheelhouse -r requirements-runtime.lock -r deploy/build.lock

clean:  ## remove the environment and what tools have cached
	@rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis \
		.import_linter_cache .grimp_cache

$(STAMP): requirements.lock pyproject.toml
	@command -v $(PYTHON) > /dev/null || { \
		echo "$(PYTHON) is not there. Python 3.11, 3.12 or 3.13 is needed; name another one with"; \
		echo "  make setup PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || { \
		echo "$(PYTHON) is $$($(PYTHON) --version). Python 3.11, 3.12 or 3.13 is needed; name one with"; \
		echo "  make setup PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2> /dev/null || { \
		echo "The venv module of $(PYTHON) is missing. On Debian and Ubuntu:"; \
		echo "  apt-get install python3-venv"; exit 1; }
	@echo "Making $(VENV) and installing the locked packages; the first time takes some minutes."
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) install -qq --no-compile --require-hashes -r requirements.lock
	@$(PIP) install -qq --no-deps --no-build-isolation -e .
	-@$(BIN)/python -m compileall -qq -j 0 $(VENV)/lib  # by all processors; pip takes one
	@$(BIN)/python -c 'import lightgbm' 2> /dev/null || { \
		echo "LightGBM cannot be loaded; most often libgomp.so.1 is missing. On Debian and Ubuntu:"; \
		echo "  apt-get install libgomp1"; \
		echo "'$(BIN)/ct doctor' checks the rest."; exit 1; }
	@touch $(STAMP)
