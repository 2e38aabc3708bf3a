# Sets up .venv from requirements.lock and calls the real commands: snakemake, pytest.
PYTHON ?= python3
READY := .venv/.ready
RUN := PATH="$(CURDIR)/.venv/bin:$$PATH"
PROFILE ?= world

# Of the profile world, what the package carries of each domain (maccap/world/runs).
SHIPPED := run.json run.json.prov.json adaptor.safetensors adaptor.safetensors.prov.json

.PHONY: install results audit publish ship schema docs lint
.PHONY: test test-environments test-drivers test-paper test-slow test-slurm

install: $(READY)

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "maccap needs Python 3.11 or later; name one: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet --requirement requirements.lock
	.venv/bin/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

results: install
	$(RUN) snakemake --cores all

audit: install
	$(RUN) python -m maccap verify --profile $(PROFILE)
	$(RUN) python -m maccap docs --check

publish: install
	$(RUN) python -m maccap verify --profile $(PROFILE)
	git ls-files --others --modified results/$(PROFILE) artifacts/$(PROFILE) artifacts/downloads | git check-attr --stdin published | \
	  sed -n 's/: published: set$$//p' | git add --force --pathspec-from-file=-

ship:
	for domain in daylight chalk; do \
	  (cd artifacts/world/runs/$$domain/maccap/s2401 && cp $(SHIPPED) "$(CURDIR)/maccap/world/runs/$$domain") || exit 1; \
	done

test: install
	$(RUN) python -m pytest -n 2 --dist loadfile

test-environments: install
	$(RUN) python -m pytest -m environments

test-drivers: install
	$(RUN) python -m pytest -m drivers

test-paper: install
	$(RUN) python -m pytest -m paper

test-slurm: install
	$(RUN) python -m pytest -m slurm

test-slow: install
	$(RUN) python -m pytest -m slow

schema: install
	$(RUN) python -m maccap.graph.config_page

docs: install
	.venv/bin/python -m pip install --quiet --requirement docs/requirements.lock
	$(RUN) mkdocs build --strict

environment.yml: requirements.lock
	@sed -i '/^      - /d' $@ && grep -v '^#' $< | sed 's/^/      - /' >> $@

lint: install
	$(RUN) ruff check .
	$(RUN) ruff format --check .
	$(RUN) mypy
	$(RUN) snakefmt --check Snakefile workflow
	$(RUN) snakemake --lint
	$(RUN) python -m maccap dvc sync --check
