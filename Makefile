# Every command makes the virtual environment first, from the hash-locked set, when the lock changed.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LOCK := $(shell sha256sum requirements.lock | cut -c1-16)
STAMP := $(VENV)/installed-$(LOCK)
LOCALE := config/locale
CATALOGUE := $(LOCALE)/zh_Hant/LC_MESSAGES/django.po
EMBEDDED := $(BIN)/python -m config.embedded

# Compiled modules are kept: the suite starts Python many times.
unexport PYTHONDONTWRITEBYTECODE

# Enough for Django to load where nothing is connected to.
UNCONNECTED := DATABASE_URL=postgresql:///none BROKER_URL=memory://
PRODUCTION := $(UNCONNECTED) CARILLON_MODE=production PUBLIC_URL=https://carillon.example.com \
	DEFAULT_FROM_EMAIL=carillon@example.com \
	SECRET_KEY=check-only-M8sdf7Xw2QpLz0vRt4Yb9NcJ6hGkU3aE5iOoT1xZ \
	SEALING_KEY=check-only-q4Wn8Ke2Zr6Ty0Ui3Op5As7Df9Gh1Jk

.DEFAULT_GOAL := help
.PHONY: video bench cost drill two-hosts fuzz model help venv demo reset test test-rest test-all test-servers test-bell test-pace rights bench-rules bench-imports bench-smtp bench-rendering bench-tracking bench-triggered bench-reports lint messages shell lock vendor

help:
	@echo "make demo      start everything on this machine; Ctrl-C stops it"
	@echo "make reset     remove the demo's data"
	@echo "make test      run the tests in about six minutes, of many cases of a kind a sample"
	@echo "make test-rest  run what make test leaves out: the other cases, the long walks, and what kills servers"
	@echo "make test-all  run all tests, which takes half an hour on two cores"
	@echo "make test-servers  all but the browser tests, also against DATABASE_URL and BROKER_URL"
	@echo "make test-bell  only the tests that hear the broker's bell, against BROKER_URL"
	@echo "make bench-rules  how fast rules are counted, against queries written by hand"
	@echo "make bench-imports  how fast a million people come in, against a COPY and a merge written by hand"
	@echo "make bench-smtp  the SMTP sender against Postfix's smtp-source (SMTP_TOOLS names its directory)"
	@echo "make bench-rendering  writing a message against a bare Jinja2 rendering"
	@echo "make bench-tracking  a click and an open against an empty view on the same server"
	@echo "make bench-triggered  a call of the API against an empty view, and how soon its message leaves"
	@echo "make bench-reports  what a report costs with ten times the events, and how fast they are counted"
	@echo "make bench     how fast a run is from snapshot to outcome, against smtp-source"
	@echo "make cost      what one message costs in CPU, WAL and bytes; docs/scaling.md reckons with it"
	@echo "make drill     kill workers, broker and database in the middle of runs, and count what arrived"
	@echo "make two-hosts  cut one of two worker hosts off in the middle of a run; needs network namespaces"
	@echo "make model     check the delivery protocol with Spin"
	@echo "make fuzz      the API against its own description, many times as every role"
	@echo "make rights    write down again what each role may at each address; read the difference (ROWS=new: only new addresses)"
	@echo "make video     make the film of a first campaign again, from a demo"
	@echo "make lint      run the linters, type checks and Django's checks"
	@echo "make messages  collect the texts to translate, and compile the translations"
	@echo "make shell     a Django shell on the demo's data"
	@echo "make lock      lock the dependencies again"
	@echo "make vendor    fetch the front-end files of static/vendor again, with npm"

venv: $(STAMP)

$(STAMP):
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || \
		{ echo "Carillon needs Python 3.11, 3.12 or 3.13; name one: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo "Python's venv is missing. On Debian: apt-get install python3-venv" >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	rm -f $(VENV)/installed-*
	touch $@

demo: $(STAMP)
	@$(BIN)/python -m config.demo

fuzz: $(STAMP)
	$(EMBEDDED) run --volatile --data var/test -- env FUZZ_EXAMPLES=40 $(BIN)/python -m pytest -q tests/fuzz $(ARGS)

rights: $(STAMP)
	$(EMBEDDED) run --volatile --data var/test -- env CARILLON_WRITE_MATRIX=$(or $(ROWS),all) $(BIN)/python -m pytest -q tests/rights/test_matrix.py $(if $(ROWS),-k matrix_says)

reset: $(STAMP)
	$(EMBEDDED) erase --data var/demo

# Each kind of fault is looked for, in a sample where there are many cases (see tests/conftest.py).
# The browser tests share one demo, and Playwright keeps an event loop: they run after the others, by themselves.
test: $(STAMP)
	$(EMBEDDED) run --volatile --data var/test -- $(BIN)/python -m pytest -n auto --dist worksteal \
		-m "not browser and not slow and not rest" $(ARGS)
	$(EMBEDDED) run --volatile --data var/test -- $(BIN)/python -m pytest -m "browser and not slow and not rest" $(ARGS)

# What `make test` leaves out.
test-rest: $(STAMP)
	$(EMBEDDED) run --volatile --data var/test -- $(BIN)/python -m pytest -n auto --dist worksteal \
		-m "not browser and (slow or rest)" $(ARGS)
	$(EMBEDDED) run --volatile --data var/test -- $(BIN)/python -m pytest -m "browser and (slow or rest)" $(ARGS)

test-all: test test-rest

# All but the browser tests, also against the servers that DATABASE_URL and BROKER_URL name.
test-servers: $(STAMP)
	$(EMBEDDED) run --volatile --data var/test -- $(BIN)/python -m pytest -n auto --dist worksteal -m "not browser" $(ARGS)

# What hears a bell, to be held against another broker.
test-bell: $(STAMP)
	$(EMBEDDED) run --volatile --data var/test -- $(BIN)/python -m pytest -n auto --dist worksteal \
		tests/faults tests/flows tests/races $(ARGS)

# The limit of a configuration, also by the mail server's clock: for a machine that does nothing else.
test-pace: $(STAMP)
	QUIET_MACHINE=1 $(EMBEDDED) run --volatile --data var/test -- $(BIN)/python -m pytest \
		tests/campaigns/test_gate.py tests/channels/test_pacing.py tests/faults/test_pace.py $(ARGS)

bench-rules: $(STAMP)
	$(EMBEDDED) run --volatile --data var/bench -- $(BIN)/python -m tests.benchmarks.rules $(ARGS)

bench-imports: $(STAMP)
	$(EMBEDDED) run --data var/bench-imports -- $(BIN)/python -m tests.benchmarks.imports $(ARGS)

bench-smtp: $(STAMP)
	$(UNCONNECTED) CARILLON_MODE=local $(BIN)/python -m tests.benchmarks.smtp $(ARGS)

bench-rendering: $(STAMP)
	$(UNCONNECTED) CARILLON_MODE=local $(BIN)/python -m tests.benchmarks.rendering $(ARGS)

bench-tracking: $(STAMP)
	CARILLON_MODE=local $(EMBEDDED) run --data var/bench-tracking -- $(BIN)/python -m tests.benchmarks.tracking $(ARGS)

bench-triggered: $(STAMP)
	$(EMBEDDED) run --data var/bench -- $(BIN)/python -m tests.benchmarks.triggered $(ARGS)

bench-reports: $(STAMP)
	CARILLON_MODE=local $(EMBEDDED) run --data var/bench-reports -- $(BIN)/python -m tests.benchmarks.reports $(ARGS)

bench: $(STAMP)
	$(UNCONNECTED) CARILLON_MODE=local $(BIN)/python -m tests.benchmarks.smtp
	$(UNCONNECTED) CARILLON_MODE=local $(BIN)/python -m tests.benchmarks.rendering
	$(EMBEDDED) run --data var/bench -- $(BIN)/python -m tests.benchmarks.pipeline $(ARGS)
	$(EMBEDDED) run --data var/bench -- $(BIN)/python -m tests.benchmarks.triggered

cost: $(STAMP)
	$(EMBEDDED) run --data var/bench -- $(BIN)/python -m tests.benchmarks.cost $(ARGS)

# The broker is the one BROKER_URL names, RabbitMQ or Redis; without one an embedded Valkey.
drill: $(STAMP)
	$(EMBEDDED) run --data var/drill -- $(BIN)/python -m tests.drill $(ARGS)

# Hosts are network namespaces, which root may make; elsewhere it says why it was skipped.
two-hosts: $(STAMP)
	TWO_HOSTS=1 $(EMBEDDED) run --volatile --data var/test -- $(BIN)/python -m pytest -q -rs -s tests/faults/test_two_hosts.py $(ARGS)

model:
	docs/model/check.sh

# Needs Debian's ffmpeg and chromium.
video: $(STAMP)
	$(BIN)/python -m tests.film

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(UNCONNECTED) CARILLON_MODE=local $(BIN)/mypy .
	$(BIN)/djlint --lint --quiet templates
	$(UNCONNECTED) CARILLON_MODE=local $(BIN)/python manage.py makemigrations --check --dry-run
	$(PRODUCTION) $(BIN)/python manage.py check --deploy --fail-level WARNING

messages: $(STAMP)
	mkdir -p build $(dir $(CATALOGUE))
	$(BIN)/pybabel extract --mapping $(LOCALE)/babel.cfg --output build/django.pot --no-location --sort-output \
		--add-comments Translators: --project Carillon \
		-k gettext_lazy -k ngettext_lazy:1,2 -k pgettext_lazy:1c,2 -k pgettext:1c,2 -k npgettext:1c,2,3 .
	if [ -f $(CATALOGUE) ]; then \
		$(BIN)/pybabel update --input-file build/django.pot --output-file $(CATALOGUE) --locale zh_Hant \
			--no-fuzzy-matching --ignore-pot-creation-date; \
	else \
		$(BIN)/pybabel init --input-file build/django.pot --output-file $(CATALOGUE) --locale zh_Hant; \
	fi
	$(BIN)/pybabel compile --input-file $(CATALOGUE) --output-file $(CATALOGUE:.po=.mo) --locale zh_Hant --use-fuzzy

shell: $(STAMP)
	$(EMBEDDED) run --data var/demo -- env CARILLON_MODE=demo $(BIN)/python manage.py shell

lock:
	uv pip compile pyproject.toml --extra embedded --extra dev --universal --python-version 3.11 \
		--generate-hashes --no-emit-index-url --no-header --output-file requirements.lock

vendor: $(STAMP)
	$(UNCONNECTED) CARILLON_MODE=local $(BIN)/python -m config.vendoring $(ARGS)
