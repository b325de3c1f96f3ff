# Buildbot in Rust. `make help` lists what there is.

CARGO ?= cargo
PEERS := $(CURDIR)/target/peers
export PATH := $(CURDIR)/target/tools/bin:$(PATH)
# Where the tests find stock Buildbot's programs.
export STOCK_BUILDBOT := $(PEERS)/bin

# What `make demo` takes from its command line.
export REPO CMD BRANCH

.DEFAULT_GOAL := help
.PHONY: help demo test fmt check bench setup

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## Build real commits and watch them live; REPO=<path or URL> CMD='make test' builds yours
	@CARGO='$(CARGO)' sh demo/run

test: setup ## Install what the tests need, then run all of them
	$(CARGO) nextest run --workspace
	$(CARGO) test --workspace --doc --quiet

# cargo fmt does not see the modules that a macro of src/steps/mod.rs declares.
STEPS := $(shell find src/steps -name '*.rs')

fmt: ## Format everything
	$(CARGO) fmt --all
	rustfmt --edition 2024 $(STEPS)

check: ## Formatting, lints and documentation, warnings are errors
	$(CARGO) fmt --all -- --check
	rustfmt --edition 2024 --check $(STEPS)
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --workspace --no-deps --document-private-items --quiet

bench: setup ## Compare with stock Buildbot 4.3 on this machine
	$(CARGO) build --release -p buildbot -p buildbot-worker --bins --examples
	$(PEERS)/bin/python bench/run.py
	$(PEERS)/bin/python bench/workers.py
	$(PEERS)/bin/python bench/queue.py
	$(PEERS)/bin/python bench/storm.py

setup: ## Install what the tests need: system packages, stock Buildbot under target/, cargo-nextest
	@CARGO='$(CARGO)' PEERS='$(PEERS)' sh .ci/setup
