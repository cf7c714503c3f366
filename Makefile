.PHONY: help run test check bench generate

help: ## list these targets
	@awk -F ': ## ' '/^[a-z]+: ## / { printf "make %-9s %s\n", $$1, $$2 }' Makefile

run: ## install, fill a demo organization, serve it until Ctrl-C
	@scripts/install run
	@.venv/bin/deskbell demo
	@exec .venv/bin/deskbell serve

test: ## run the tests
	@scripts/test

check: ## check format, lint and types
	@scripts/check

bench: ## run every benchmark
	@scripts/bench

generate: ## write the generated files
	@scripts/generate
