# Works with a bare Python 3.11+ with pip: uv comes from PyPI into .tools, so neither ensurepip nor a writable system Python is needed.
export PATH := $(CURDIR)/.tools/bin:$(PATH)
export PYTHONPATH :=
UV = $(CURDIR)/.tools/bin/uv

demo: $(UV)        ; $(UV) sync --quiet --no-dev --inexact && .venv/bin/nuages up examples/library --detach
setup: $(UV)       ; $(UV) sync --quiet
$(UV):             ; python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --target .tools uv
test: setup        ; tests/install-services && .venv/bin/pytest -n 2
lab: setup         ; tests/install-services && NUAGES_FULL=1 .venv/bin/pytest --timeout 3600 tests/lab
check: setup       ; .venv/bin/ruff check && .venv/bin/ruff format --check && .venv/bin/mypy && .venv/bin/lint-imports && .venv/bin/pytest tests/unit tests/contract tests/cli
format: setup      ; .venv/bin/ruff check --fix; .venv/bin/ruff format
bench: setup       ; .venv/bin/python bench/run.py
bench-servers: setup ; .venv/bin/python bench/servers.py
docs: setup        ; $(UV) run --quiet --group docs sphinx-build -nW docs site

.PHONY: demo setup test lab check format bench bench-servers docs
.DEFAULT_GOAL := demo
