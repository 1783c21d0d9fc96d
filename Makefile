# Everything a person or CI does here. `make` on a machine with Python 3.11 to 3.13, make and git.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed
# What only the foreign runtimes need, in an environment that stands on the first one.
RUNTIMES := .venv-runtimes
RUNTIMES_INSTALLED := $(RUNTIMES)/installed
NODE_INSTALLED := runtimes/node_modules/installed
# The browser's executable, as runtimes/browser.py finds it.
CHROMIUM ?= $(firstword $(foreach name,chromium google-chrome chromium-browser,$(shell command -v $(name))))
# LiteRT's converter wants a later Python, and packages in other versions.
LITERT := .venv-litert
LITERT_INSTALLED := $(LITERT)/installed
LITERT_SUPPORTED := import sys; sys.exit(not (3, 12) <= sys.version_info[:2] <= (3, 13))
LITERT_PYTHON ?= $(firstword $(foreach python,$(PYTHON) python3.12 python3.13 \
	$(wildcard $(HOME)/.pyenv/versions/3.1[23].*/bin/python),\
	$(shell $(python) -c '$(LITERT_SUPPORTED)' 2> /dev/null && echo $(python))))
WEB_INSTALLED := web/node_modules/installed
# Remotes, many machines and CI's checks come into the first environment, where DVC finds them.
TEAM_INSTALLED := $(VENV)/team
# Where `make web` serves the pages; 0 is any free port.
PORT ?= 8000
# Where the project's source lies, for a link on the pages; empty: no link.
SOURCE ?=
# Repositories of released models, which the pages then show instead of data/bundles. The shell splits
# the names, and neither it nor make runs what they hold.
RELEASED ?=
IF_RELEASED = $(strip $(value RELEASED))
OF_RELEASED = $(if $(IF_RELEASED),--bundles build/released)
FETCH_RELEASED = $(if $(IF_RELEASED),@set -f; $(BIN)/python -m tools.released build/released -- $$RELEASED)
BUNDLES = $(if $(IF_RELEASED),,| data/bundles)
# The revision that `make comment` compares with.
AGAINST ?= origin/main
# Prints the name of the default remote, or nothing where there is none.
REMOTE = $(BIN)/dvc config core.remote
# What `make test` leaves out, by pytest's markers, unless TESTS names files: those run whole.
LEAVE_OUT ?= slow
# A file's tests stay with one of pytest's workers, for they share what the file builds. Threads of
# several workers' torch would wait for each other.
WORKERS ?= 2
PYTEST = OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile
# The pages of docs/ as a site; the variable keeps an announcement of its theme's out of the log.
MKDOCS = NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet
# How `make fanout-plan` prints the jobs: text or github.
FORMAT ?= text
# Stages run `python` and DVC finds itself by PATH.
export PATH := $(CURDIR)/$(BIN):$(PATH)
# What is printed is UTF-8 in any locale; files are so by their own calls.
export PYTHONUTF8 := 1

# uv resolves the locks; UPGRADE= leaves every version where it is.
UV_INSTALLED := build/uv/installed
UPGRADE ?= --upgrade
COMPILE = build/uv/bin/uv pip compile --quiet --universal --generate-hashes --fork-strategy fewest \
	--custom-compile-command "make lock" $(UPGRADE)
NEWEST := torch torchvision onnx onnxruntime

.DEFAULT_GOAL := all
.PHONY: all model team test test-all web test-web runtimes node-needs pages-needs runtimes-needs lint gate stale repro \
	bundles comment docs site report real publish bench lock newest upgrade rerun-check portable docs-check fanout fanout-plan clean help
# What a target needs of the machine comes first and stops it before anything is installed.
.NOTPARALLEL:

all: $(INSTALLED)  ## start: install, build what params.yaml asks for, say what was built
	@$(BIN)/python -m clip_onnx.settings
	@$(BIN)/python -m tools.prune
	@$(BIN)/python -m tools.build

model: $(INSTALLED)  ## start: build one model: MODEL=vit-b-32 VARIANT=int8w [PRODUCTS=image]
	@$(BIN)/python -m tools.build_one "$(MODEL)" "$(VARIANT)" $(PRODUCTS)

test: $(INSTALLED)  ## start: run the tests but slow ones, or a file: [TESTS=tests/x.py]
	$(PYTEST) $(or $(TESTS),-m "not ($(LEAVE_OUT))")

# Fuzzers go on for as long: ten minutes together.
test-all: export FUZZ_SECONDS ?= 60
test-all: $(INSTALLED)  ## start: run every test, also those that build whole projects
	$(PYTEST) $(TESTS)

runtimes: runtimes-needs $(RUNTIMES_INSTALLED) $(NODE_INSTALLED) $(LITERT_INSTALLED)  ## results: run the files in every foreign runtime
	@$(BIN)/python -m tools.build --runtimes
	JUST_MEASURED=1 $(RUNTIMES)/bin/python -m pytest --numprocesses $(WORKERS) --dist worksteal -rs -m runtimes

node-needs:
	@node -e 'process.exit(Number(parseInt(process.versions.node) < 20))' 2> /dev/null && \
		command -v npm > /dev/null || \
		{ echo "error: Node.js 20 or later is not installed: apt-get install nodejs npm"; exit 1; }

pages-needs: node-needs
	@command -v "$(CHROMIUM)" > /dev/null || \
		{ echo "error: Chromium is not installed: apt-get install chromium, or CHROMIUM=/path/to/it"; exit 1; }

runtimes-needs: pages-needs
	@command -v cc > /dev/null || \
		{ echo "error: no C compiler is installed: apt-get install gcc libc6-dev"; exit 1; }
	@test -n "$(LITERT_PYTHON)" && $(LITERT_PYTHON) -c '$(LITERT_SUPPORTED)' || \
		{ echo "error: LiteRT needs Python 3.12 or 3.13 too: install it (pyenv install 3.12)," \
		"then make runtimes LITERT_PYTHON=/path/to/python3.12"; exit 1; }

web: node-needs $(INSTALLED) $(WEB_INSTALLED) $(BUNDLES)  ## results: build, serve the pages: [PORT= SOURCE= RELEASED=]
	$(FETCH_RELEASED)
	@$(BIN)/python -m web.build build/web --serve $(PORT) $(SOURCE:%=--source=%) $(OF_RELEASED)

test-web: pages-needs $(RUNTIMES_INSTALLED) $(WEB_INSTALLED) | data/bundles  ## results: run the pages' tests in Chromium
	$(RUNTIMES)/bin/python -m pytest --numprocesses $(WORKERS) --dist worksteal -rs web/tests

team: $(TEAM_INSTALLED)  ## team: install what shared caches, many machines and CI need

fanout: $(TEAM_INSTALLED)  ## team: build every model on Ray's machines: [RAY_ADDRESS=HOST:PORT]
	@$(BIN)/python -m tools.fanout run

fanout-plan: $(INSTALLED)  ## team: the jobs of make fanout: [FORMAT=github]
	@$(BIN)/python -m tools.fanout plan --format $(FORMAT)

lint: $(INSTALLED)  ## maintain: check style, the library's types and docs/
	$(BIN)/ruff check .
	$(BIN)/ruff check --preview --select PLW1514 .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(MKDOCS)

gate: $(INSTALLED)  ## results: judge metrics/parity.json by the floors of params.yaml
	$(BIN)/python -m pytest tests/test_parity.py

stale: $(INSTALLED)  ## team: say which stages dvc.lock has not seen; needs no data
	@$(BIN)/python -m tools.stale

# Both take what they need from the default remote; where there is none, all is built here.
repro: $(INSTALLED)  ## team: rerun what changed; pull from the remote what did not
	@$(BIN)/python -m clip_onnx.settings
	@$(BIN)/python -m tools.prune
	@if [ -n "$$($(REMOTE))" ]; then \
		$(BIN)/python -m tools.pull && $(BIN)/python -m tools.build --pull --allow-missing; \
	else $(BIN)/python -m tools.build; fi

bundles: $(INSTALLED)  ## team: pull the bundles that `make repro` left in the remote
	@if [ -n "$$($(REMOTE))" ]; then $(BIN)/dvc pull bundle; \
	else $(BIN)/python -m tools.build bundle; fi

comment: $(INSTALLED)  ## team: write what differs from a revision: [AGAINST=origin/main]
	@mkdir -p build
	@$(BIN)/python -m tools.review "$(AGAINST)" > build/comment.md
	@cat build/comment.md

docs-check: $(INSTALLED)  ## maintain: fail where README.md or docs/ is not current
	@$(BIN)/python -m tools.docs --check

docs: $(INSTALLED)  ## results: put the measured tables into README.md and docs/
	$(BIN)/python -m tools.docs

site: node-needs $(INSTALLED) $(WEB_INSTALLED) $(BUNDLES)  ## results: docs, pages, report: build/site: [SOURCE= RELEASED=]
	PUBLISHED=true $(MKDOCS) --site-dir build/site
	$(FETCH_RELEASED)
	@$(BIN)/python -m web.build build/site/try $(SOURCE:%=--source=%) $(OF_RELEASED)
	@$(BIN)/python -m tools.page build/site/report.html --pages build/site/try

report: $(INSTALLED)  ## results: write build/report.html, a page that needs no network
	@$(BIN)/python -m tools.page build/report.html

# The shell splits the names, and runs nothing that they hold.
real: $(INSTALLED)  ## results: measure OpenAI's weights: MODEL="rn50 vit-b-32"
	@$(BIN)/python -m tools.real $$MODEL

publish: $(INSTALLED)  ## results: release folders, upload: TARGET=owner/name MODELS=tiny-vit
	@$(BIN)/python -m tools.publish "$(TARGET)" $(MODELS) $(WEIGHTS:%=--weights=%) $(LICENSE:%=--license=%)

# Those that drive a browser or foreign runtimes run where these are installed.
NAME :=
BENCH_NEEDS = $(if $(filter runtimes,$(NAME)),runtimes-needs,$(if $(filter pages,$(NAME)),pages-needs)) $(INSTALLED) \
	$(if $(filter runtimes,$(NAME)),$(RUNTIMES_INSTALLED) $(LITERT_INSTALLED)) \
	$(if $(filter pages,$(NAME)),$(RUNTIMES_INSTALLED) $(WEB_INSTALLED)) \
	$(if $(filter batches,$(NAME)),$(RUNTIMES_INSTALLED))
bench: $(BENCH_NEEDS) $(if $(filter outside pages runtimes,$(NAME)),| data/bundles)  ## maintain: measure, beside other tools: NAME=encodings [MODELS=]
	@test -n "$(NAME)" || { echo "error: say which: make bench NAME=… with one of" \
		$$(ls bench/*.json | sed 's,bench/,,; s,.json,,'); exit 1; }
	@$(if $(filter batches pages runtimes,$(NAME)),$(RUNTIMES),$(VENV))/bin/python -m bench.$(NAME) $(MODELS)

lock: $(UV_INSTALLED)  ## maintain: refresh the locks: [UPGRADE="--upgrade-package onnx"]
	$(COMPILE) --python-version 3.11 --output-file requirements.lock requirements.in
	$(COMPILE) --python-version 3.11 --constraint requirements.lock \
		--output-file runtimes/requirements.lock runtimes/requirements.in
	$(COMPILE) --python-version 3.11 --constraint requirements.lock \
		--output-file requirements-team.lock requirements-team.in
	$(COMPILE) --python-version 3.12 \
		--output-file runtimes/requirements-litert.lock runtimes/requirements-litert.in

newest: node-needs $(INSTALLED) $(UV_INSTALLED)
	$(BIN)/python -m tools.upgrade $(NEWEST)
	$(MAKE) lock UPGRADE="$(NEWEST:%=--upgrade-package %)"

upgrade: runtimes-needs newest  ## maintain: newest, then rebuild what depends on it
	$(MAKE) all
	$(MAKE) runtimes
	$(MAKE) docs

rerun-check: $(INSTALLED)  ## maintain: run HEAD again from nothing, compare every byte
	@$(BIN)/python -m tools.rerun build/rerun.md

portable: $(INSTALLED)  ## maintain: build as on an old CPU, compare: [MODELS= WRITE= LISTS=]
	@$(BIN)/python -m tools.portable build/portable.md $(MODELS:%=--models=%) $(WRITE:%=--write=%) $(LISTS:%=--against=%)

clean:  ## start: remove the environment, what was built and its cache
	rm -rf $(VENV) $(RUNTIMES) $(LITERT) runtimes/node_modules web/node_modules build .dvc/cache .dvc/tmp \
		.pytest_cache .ruff_cache .mypy_cache .hypothesis
	git clean -fdXq data

help:  ## start: this list
	@for group in start results team maintain; do \
		awk -F ':.*## ' -v group="$$group: " -v title="$$group" 'index($$2, group) == 1 && /^[a-z-]+:/ \
			{ if (title) print title; title = ""; printf "  %-16s%s\n", $$1, substr($$2, length(group) + 1) }' \
			Makefile; done

# The lock is complete, so nothing is resolved. setuptools comes first, from the lock too: openai-clip
# is a source distribution, whose isolated build would fetch an unpinned one.
SUPPORTED := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
PIP := $(BIN)/pip install --quiet --disable-pip-version-check --no-deps --require-hashes
$(INSTALLED): requirements.lock
	@$(PYTHON) -c '$(SUPPORTED)' || \
		{ echo "error: $(PYTHON) is not Python 3.11 to 3.13: make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	awk '/^setuptools==/, !/\\$$/' requirements.lock > $(VENV)/build.txt
	$(PIP) -r $(VENV)/build.txt
	$(PIP) --no-build-isolation -r requirements.lock
	@touch $@

$(TEAM_INSTALLED): $(INSTALLED) requirements-team.lock
	$(PIP) -r requirements-team.lock
	@touch $@

# Relative, for in an ASCII locale Python reads no other letters in a .pth, and a folder may be moved.
SITE := import sysconfig; site = sysconfig.get_path("purelib")
$(RUNTIMES_INSTALLED): $(INSTALLED) runtimes/requirements.lock
	$(BIN)/python -m venv $(RUNTIMES)
	site="$$($(RUNTIMES)/bin/python -c '$(SITE); print(site)')"; $(BIN)/python -c \
		'$(SITE); import os, sys; print(os.path.relpath(site, sys.argv[1]))' "$$site" > "$$site/core.pth"
	$(RUNTIMES)/bin/pip install --quiet --disable-pip-version-check --no-deps --require-hashes \
		-r runtimes/requirements.lock
	@touch $@

$(NODE_INSTALLED): runtimes/package-lock.json | node-needs
	npm ci --ignore-scripts --no-audit --no-fund --prefix runtimes
	@touch $@

$(LITERT_INSTALLED): runtimes/requirements-litert.lock | runtimes-needs
	$(LITERT_PYTHON) -m venv $(LITERT)
	$(LITERT)/bin/pip install --quiet --disable-pip-version-check --no-deps --require-hashes \
		-r runtimes/requirements-litert.lock
	@touch $@

$(WEB_INSTALLED): web/package-lock.json | node-needs
	npm ci --ignore-scripts --no-audit --no-fund --prefix web
	@touch $@

$(UV_INSTALLED):
	$(PYTHON) -m venv build/uv
	build/uv/bin/pip install --quiet --disable-pip-version-check uv
	@touch $@

# The folder of this file, also where its name has spaces.
SPACE := $(subst ,, )
include $(subst ?,\$(SPACE),$(dir $(subst $(SPACE),?,$(strip $(MAKEFILE_LIST))))).github/github.mk

# Once they are there, `make` alone brings them up to date.
data/bundles: | $(INSTALLED)
	$(MAKE) all
