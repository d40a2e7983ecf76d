# What one does with cloudportal. `make` alone says what there is.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

export CLOUDPORTAL_VAR ?= $(CURDIR)/var
LAB_HOSTS ?= 3
SEED ?= 1
MINUTES ?= 10
MACHINES ?= 2
DATABASE ?= postgres
VENV := .venv/bin
# The simulated hosts are namespaces with bridges, which only root may make.
SUDO := $(if $(filter 0,$(shell id -u)),,sudo)

.PHONY: help run stop check test test-long lab lab-down api-samples compatibility bench chaos format requirements environment

help:
	@grep -E '^[a-z-]+:.*## ' Makefile | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 22

run: ## set up what is missing and run the portal here, until Ctrl-C
	@deploy/run.sh

stop: ## end a portal that runs in another terminal
	@deploy/stop.sh

environment: ## the Python environment with all that checks and tests need
	@deploy/environment.sh --dev

check: environment ## lint, types, import contracts, system checks
	$(VENV)/ruff check .
	$(VENV)/ruff format --check .
	$(VENV)/typos
	$(VENV)/mypy .
	$(VENV)/lint-imports
	$(VENV)/python manage.py check --fail-level WARNING
	$(VENV)/python manage.py makemigrations --check --dry-run

test: ## everything, with real hosts, clients and a browser
	@deploy/system.sh --dev
	@deploy/environment.sh --dev
	@deploy/libvirt.sh start
	@tests/run

test-long: ## what make test leaves out: the longest tests on real hosts
	@deploy/system.sh --dev
	@deploy/environment.sh --dev
	@deploy/environment.sh --ansible
	@deploy/libvirt.sh start
	@tests/run long

lab: ## simulated hosts (LAB_HOSTS=3), registered in the portal that runs here
	@deploy/system.sh --dev
	@test -f $(CLOUDPORTAL_VAR)/secret_key || { echo "lab: run make run first" >&2; exit 1; }
	@$(VENV)/python manage.py hypervisor key > $(CLOUDPORTAL_VAR)/run/portal-key.pub
	@$(SUDO) python3 lab/lab.py up --hosts $(LAB_HOSTS) --var $(CLOUDPORTAL_VAR) \
	    --authorized-key $(CLOUDPORTAL_VAR)/run/portal-key.pub > $(CLOUDPORTAL_VAR)/run/lab.json
	@$(VENV)/python manage.py lab_hosts add < $(CLOUDPORTAL_VAR)/run/lab.json

lab-down: ## forget the simulated hosts in the portal and end them
	@$(SUDO) python3 lab/lab.py status --var $(CLOUDPORTAL_VAR) \
	    > $(CLOUDPORTAL_VAR)/run/lab.json
	@$(VENV)/python manage.py lab_hosts remove < $(CLOUDPORTAL_VAR)/run/lab.json
	@$(SUDO) python3 lab/lab.py down --var $(CLOUDPORTAL_VAR)

api-samples: environment ## write the samples of the API and the counts of queries anew
	$(VENV)/pytest -q -p no:randomly tests/samples tests/queries --rewrite

compatibility: ## ask the portal whatever real clients ask, on simulated hosts, and write the table of it
	@deploy/system.sh --dev
	@deploy/environment.sh --dev
	@deploy/libvirt.sh start
	@deploy/environment.sh --ansible
	$(VENV)/pytest -q -p no:randomly tests/cloud/test_probes.py tests/cloud/test_service_probes.py \
	    -m long --rewrite

bench: environment ## the measured work, one JSON line a figure
	$(VENV)/python -m bench

chaos: ## harm a whole cloud at work: SEED=1 MINUTES=10 MACHINES=2 DATABASE=postgres
	@deploy/system.sh --dev
	@deploy/environment.sh --dev
	@deploy/libvirt.sh start
	@$(SUDO) $(VENV)/python -m chaos --seed $(SEED) --minutes $(MINUTES) \
	    --machines $(MACHINES) --database $(DATABASE)

format: environment ## put the sources into their form
	$(VENV)/ruff check --fix-only .
	$(VENV)/ruff format .
	$(VENV)/djade --target-version 5.2 $$(git ls-files 'templates/*.html')

requirements: ## pin the requirements anew, from pyproject.toml
	uv pip compile pyproject.toml --generate-hashes --no-emit-index-url \
	    --python-version 3.11 --universal -o requirements.txt
	uv pip compile pyproject.toml --group dev --generate-hashes --no-emit-index-url \
	    --python-version 3.11 -c requirements.txt -o requirements-dev.txt
	uv pip compile --group ansible --generate-hashes --no-emit-index-url \
	    --python-version 3.11 -o requirements-ansible.txt
