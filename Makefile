# `make bake` takes a fresh Debian 12 machine to the first verified image; `make help` lists the rest.
SHELL := /bin/sh
.SHELLFLAGS := -eu -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

# What a bake needs: podman and what it needs to boot and network a machine, makers and readers of bases and images.
PACKAGES := aardvark-dns catatonit dbus iptables mmdebstrap netavark podman python3-venv runc skopeo zstd
# What the tests and benchmarks need beyond that: independent readers of our images, a linter, an emulator for the
# machines of the tests' EC2, and what we compare with.
TEST_PACKAGES := e2fsprogs git openssh-client qemu-system-x86 shellcheck umoci
BENCH_PACKAGES := buildah

# pytest's own arguments, for example: make test PYTEST_ARGS='-k layer -x'
PYTEST_ARGS ?=
# which benchmarks, how often each competitor's turn comes, and who competes (see bench/README.md), for example:
# make bench BENCH='commands mixed' ROUNDS=5 PEERS=bakery,mitogen
BENCH ?=
ROUNDS ?= 3
PEERS ?=
# anything makes the results the ones that the README shows: make bench PUBLISH=yes
PUBLISH ?=

.PHONY: help
help:  ## list the targets
	@sed -n 's/^\([a-z][a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

# ── environment ──────────────────────────────────────────────────────────────────────────────────────────────────────

.PHONY: setup
setup: packages $(VENV)/.installed  ## install what is missing: packages, .venv, locked dependencies, the command

.PHONY: packages
packages:
	@tools/install-packages $(PACKAGES)

$(BIN)/python: | packages
	@tools/make-venv $(VENV)

$(VENV)/.locked: requirements.lock | $(BIN)/python
	@echo 'setup: installing the locked Python dependencies'
	@$(PIP) install --require-hashes --requirement requirements.lock
	@touch $@

$(VENV)/.installed: pyproject.toml $(VENV)/.locked
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

.PHONY: lock
lock: setup  ## pin the newest allowed dependencies, with hashes, in requirements.lock (needs uv on PATH)
	@uv pip compile pyproject.toml --quiet --upgrade --group dev --universal --python-version 3.11 \
		--generate-hashes --no-header --no-emit-index-url --output-file requirements.lock

# ── use ──────────────────────────────────────────────────────────────────────────────────────────────────────────────

.PHONY: bake
bake: setup  ## bake the sample role set `web`; leaves the command at .venv/bin/bakery
	@$(BIN)/bakery bake web

# ── checks ───────────────────────────────────────────────────────────────────────────────────────────────────────────

.PHONY: test-packages
test-packages:
	@tools/install-packages $(TEST_PACKAGES)

.PHONY: test
test: setup test-packages  ## every linter and every test, in one pytest run
	@$(BIN)/python -m pytest --numprocesses auto --maxprocesses 8 --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

.PHONY: lint
lint: setup test-packages  ## the linters alone
	@$(BIN)/python -m pytest tests/lint $(PYTEST_ARGS)

.PHONY: bench
bench: setup  ## the same work through bakery and others, side by side; results in bench/results/
	@tools/install-packages $(BENCH_PACKAGES)
	@PYTHONPATH=.:collections $(BIN)/python -m bench.run --rounds $(ROUNDS) $(if $(PEERS),--peers $(PEERS)) \
		$(if $(PUBLISH),--publish) $(BENCH)

# ── products ─────────────────────────────────────────────────────────────────────────────────────────────────────────

.PHONY: docs
docs: setup  ## regenerate docs/reference/ from the command line, the schema and the modules
	@$(BIN)/python tools/generate_reference.py

.PHONY: dist
dist: setup  ## the collection's tarball and the package's wheel, in dist/
	@mkdir -p dist
	@$(BIN)/python -m build --wheel --no-isolation --outdir dist .
	@$(BIN)/ansible-galaxy collection build --force --output-path dist collections/ansible_collections/bakery/images

.PHONY: clean
clean:  ## remove .venv, caches and build output; images and layers stay (see: bakery prune)
	@rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	@rm -rf bench/results/2* bench/.peers/ansible bench/.peers/mitogen bench/.peers/bender bench/.peers/logs
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
