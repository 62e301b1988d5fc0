# `make help` lists what is here. Everything but `lock` works on a fresh machine with Python 3.11 or newer and make.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
ALB    := $(VENV)-alb
PROTOS := proto/routeguide/pb/route_guide.proto

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

.PHONY: help
help: ## list the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/\1\t\2/' | expand -t 12

# $(call environment,FOLDER,FLAGS): the project, editable, with what locks hold.
PIP_INSTALL := -m pip install --quiet --disable-pip-version-check
define environment
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; name one with make PYTHON=...")'
	$(PYTHON) -m venv $(1)
	$(1)/bin/python $(PIP_INSTALL) --require-hashes $(2)
	$(1)/bin/python $(PIP_INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@
endef

$(READY): requirements/dev.lock pyproject.toml
	$(call environment,$(VENV),-r requirements/dev.lock)

# An environment of its own, a third as large: whoever only tries the balancer does not wait for the tools of tests.
# Nothing is compiled that is not imported, which Python does by itself.
$(ALB)/.ready: requirements/runtime.lock requirements/alb.lock pyproject.toml
	$(call environment,$(ALB),--no-compile -r requirements/runtime.lock -r requirements/alb.lock)

.PHONY: run
run: $(READY) ## serve on localhost:50051 (settings from the environment and .env)
	@exec $(BIN)/routeguide serve

.PHONY: demo
demo: $(READY) ## walk through the four RPCs against a server of its own
	@exec $(BIN)/routeguide demo

.PHONY: alb
alb: $(ALB)/.ready ## two servers behind a balancer like AWS's, with TLS on localhost:50051
	@exec $(ALB)/bin/python -m alb $(ARGS)

.PHONY: test
test: $(READY) ## all tests but those that take minutes each; ARGS="-k notes" narrows them
	$(BIN)/pytest $(ARGS)

.PHONY: soak
soak: $(READY) ## the tests that take minutes each; ARGS="-k notes" narrows them
	$(BIN)/pytest -m soak $(ARGS)

.PHONY: check
check: $(READY) ## format, lint, types, layers, settings, wire contract, generated code
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest --quiet --no-header tests/unit/test_env_example.py
	$(BIN)/hadolint docker/Dockerfile
	PYTHONPATH=. $(BIN)/cfn-lint
	$(BIN)/buf lint
	$(BIN)/buf breaking --against proto/frozen/route_guide.binpb
	@rm -rf $(VENV)/generated
	@$(MAKE) --no-print-directory generate OUT=$(VENV)/generated
	diff -r --exclude=__init__.py --exclude=__pycache__ $(VENV)/generated/routeguide/pb src/routeguide/pb

.PHONY: bench
bench: $(READY) ## measure; docs/performance.md says what and how
	$(BIN)/python -m bench

.PHONY: format
format: $(READY) ## format and mend what can be mended
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

OUT ?= src
.PHONY: generate
generate: $(READY) ## write src/routeguide/pb anew from proto/
	@mkdir -p $(OUT)
	@PATH=$(CURDIR)/$(BIN):$$PATH $(BIN)/python -m grpc_tools.protoc --proto_path=proto \
	  --python_out=$(OUT) --mypy_out=quiet:$(OUT) --grpc_python_out=$(OUT) --mypy_grpc_out=quiet:$(OUT) $(PROTOS)

ENGINE ?= docker
IMAGE  ?= routeguide
# A repository's address may hold somebody's password.
SOURCE ?= $(or $(shell git config remote.origin.url | sed -E 's,//[^/@]*@,//,'),unknown)
COMMITTED := git log -1 --pretty=%ct 2>/dev/null || echo 0
# All files get the time of the commit, so that it makes the same image everywhere; plain docker cannot do that.
ifdef PLATFORMS
BUILD := buildx build --platform $(PLATFORMS) --sbom=true --provenance=mode=max --output type=registry,rewrite-timestamp=true
else ifneq (,$(findstring podman,$(ENGINE)))
BUILD := build --timestamp $$($(COMMITTED))
else
BUILD := build
endif
.PHONY: image
image: $(READY) ## build the image as IMAGE=routeguide with ENGINE=docker or podman; with PLATFORMS=..., push it for these
	SOURCE_DATE_EPOCH=$$($(COMMITTED)) BUILDAH_FORMAT=docker $(ENGINE) $(BUILD) --file docker/Dockerfile --tag $(IMAGE) $(ARGS) \
	  --build-arg VERSION=$$($(BIN)/hatchling version) --build-arg SOURCE="$(SOURCE)" \
	  --build-arg REVISION=$$(git rev-parse --verify --quiet HEAD || echo unknown) .

SBOM ?= dist/sbom.cdx.json
.PHONY: sbom
sbom: $(READY) ## list what the image installs from PyPI, as CycloneDX
	@mkdir -p $(dir $(SBOM))
	@# It warns that a lock does not tell which of them are the project's own.
	PYTHONWARNINGS=ignore $(BIN)/cyclonedx-py requirements --pyproject pyproject.toml --output-reproducible --output-file $(SBOM) \
	  requirements/runtime.lock

LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
  --no-emit-index-url --no-emit-find-links
.PHONY: lock
lock: $(READY) ## resolve the dependencies anew (ARGS=--upgrade for newer ones)
	$(LOCK) $(ARGS) --output-file requirements/runtime.lock pyproject.toml --extra telemetry
	$(LOCK) $(ARGS) --output-file requirements/build.lock --group build
	$(LOCK) $(ARGS) --output-file requirements/alb.lock --group alb
	$(LOCK) $(ARGS) --constraint requirements/runtime.lock --output-file requirements/dev.lock pyproject.toml --extra telemetry --group dev
	@# The image is made for both.
	for each in x86_64 aarch64; do $(BIN)/uv pip install --dry-run --quiet --python-version 3.11 --python-platform $$each-manylinux_2_28 \
	  --only-binary :all: --no-deps --require-hashes --target $(VENV)/none -r requirements/runtime.lock || exit; done

.PHONY: clean
clean: ## remove what the commands above made, but not data/
	rm -rf $(VENV) $(ALB) .alb dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
