.DEFAULT_GOAL := help
BIN := .venv/bin
PYTHON ?= python3
CODE := app.py chalicelib infra local bench tests docs
# The tests start hundreds of Python processes: without bytecode, each compiles all that it imports.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# What `python -m local` is told by the variables of make.
PORTS = $(if $(PORT),--http-port "$(PORT)")
SERVE = $(PORTS) $(if $(SOCKET_PORT),--socket-port "$(SOCKET_PORT)") $(if $(DEV),--dev)

.PHONY: run
run: ## serve Parley at PORT, or 8000; DEV=1 to work on its code; Ctrl-C stops all of it
	@$(PYTHON) local/bootstrap.py --check
	@$(PYTHON) -m local run --check $(SERVE)
	@$(PYTHON) local/bootstrap.py
	@exec $(BIN)/python -m local run $(SERVE)

.PHONY: demo
demo: setup ## fill two demo accounts and a chat into a Parley that runs already
	@exec $(BIN)/python -m local demo

.PHONY: services
services: ## start the servers alone, for `chalice local`; their addresses go to .local/services.env
	@$(PYTHON) local/bootstrap.py --check
	@$(PYTHON) -m local services --check $(PORTS)
	@$(PYTHON) local/bootstrap.py
	@exec $(BIN)/python -m local services $(PORTS)

.PHONY: test
test: ## install what is missing, then run every check and test; ONLY=g1 for tests with that in their names
	@$(PYTHON) local/bootstrap.py --for tests
	@$(if $(ONLY),,$(MAKE) --no-print-directory lint)
	@$(BIN)/pytest --numprocesses 3 --dist loadfile $(if $(ONLY),-k "$(ONLY)") tests

.PHONY: soak
soak: develop ## chat for MINUTES while servers die and freeze; nothing may be lost
	@MINUTES="$(MINUTES)" $(BIN)/pytest -q -s tests/faults/soak.py

.PHONY: check
check: develop lint ## format, lint, types, import rules and unit tests
	@$(BIN)/pytest -q tests/unit

.PHONY: format
format: develop ## put the code into the form that `make check` asks for
	@$(BIN)/ruff format $(CODE)
	@$(BIN)/ruff check --fix $(CODE)

.PHONY: docs
docs: develop ## make the documents that come from the code, and their pages in build/docs
	@$(BIN)/python -m docs.generators.access
	@$(BIN)/python -m docs.generators.rates
	@$(BIN)/python -m docs.generators.reference build/docs $(if $(API),--server "$(API)") $(if $(SOCKET),--socket "$(SOCKET)")

.PHONY: lint-infra
lint-infra: develop
	@$(BIN)/pytest -q tests/deploy/test_templates.py

.PHONY: bench
bench: setup ## measure, and print the figures as a table and as JSON
	@exec $(BIN)/python -m bench $(ARGS)

.PHONY: deploy
deploy: cloud ## bring STAGE to AWS; DRY_RUN=1 only says what would be done
	@exec $(CLOUD) deploy --stage "$(STAGE)" $(if $(DRY_RUN),--dry-run) $(if $(FCM),--fcm "$(FCM)")

.PHONY: rollback
rollback: cloud ## put back the functions of STAGE as the deploy before left them
	@exec $(CLOUD) rollback --stage "$(STAGE)"

.PHONY: destroy
destroy: cloud ## take STAGE away from AWS
	@exec $(CLOUD) destroy --stage "$(STAGE)"

.PHONY: redrive
redrive: cloud ## try the dead pushes of STAGE again, LIMIT of them at most
	@exec $(CLOUD) redrive --stage "$(STAGE)" $(if $(LIMIT),--limit "$(LIMIT)")

.PHONY: grant
grant: cloud ## give USERNAME of STAGE a ROLE: moderator or admin
	@exec $(CLOUD) grant --stage "$(STAGE)" --username "$(USERNAME)" --role "$(ROLE)"

.PHONY: oauth-client
oauth-client: cloud ## register a program of others with STAGE: NAME, SCOPES, REDIRECT_URIS, PUBLIC=1
	@exec $(CLOUD) oauth-client --stage "$(STAGE)" --name "$(NAME)" --scopes "$(SCOPES)" \
		--redirect-uris "$(REDIRECT_URIS)" \
		--post-logout-redirect-uris "$(POST_LOGOUT_REDIRECT_URIS)" $(if $(PUBLIC),--public) \
		$(if $(OPTIONAL_PKCE),--optional-pkce) $(if $(CLAIMS_IN_ID_TOKEN),--claims-in-id-token)

.PHONY: event-consumer
event-consumer: cloud ## let a service NAME consume EVENTS of STAGE, or all; REMOVE=1 to let it no longer
	@exec $(CLOUD) event-consumer --stage "$(STAGE)" --name "$(NAME)" --events "$(EVENTS)" $(if $(REMOVE),--remove)

.PHONY: smoke
smoke: cloud ## have two people chat on STAGE from outside; PUSH_TOKEN of a device to look at
	@exec $(CLOUD) smoke --stage "$(STAGE)" $(if $(PUSH_TOKEN),--push-token "$(PUSH_TOKEN)")

.PHONY: rotate-keys
rotate-keys: cloud ## go one phase on in giving access tokens of STAGE a new key
	@exec $(CLOUD) rotate-keys --stage "$(STAGE)"

.PHONY: web
web: setup ## build the web client into build/web, and say how to serve it; WORKER=0 takes its worker away
	@rm -rf build/web
	@$(BIN)/python -m local.web build/web $(if $(filter 0,$(WORKER)),--no-worker)

.PHONY: package
package: develop ## build what would be deployed, and print its sizes
	@$(BIN)/python -m infra.package $(ARGS)

.PHONY: clean
clean: ## forget all local data, environments and caches
	@[ ! -e .local/servers.lock ] || flock --nonblock .local/servers.lock true \
		|| { echo "Parley is running here: stop it first."; exit 1; }
	rm -rf .local .venv build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
	@volumes="parley-$$(printf %s '$(CURDIR)/.local' | sha256sum | cut -c1-8)"; \
	command -v docker >/dev/null && docker volume ls -q --filter "name=$$volumes" 2>/dev/null \
		| xargs --no-run-if-empty docker volume rm || true

.PHONY: lock
lock: develop ## pin the newest versions of all requirements, with hashes
	$(COMPILE) $(addprefix --unsafe-package ,$(UNUSED)) -o requirements.txt requirements.in
	$(COMPILE) --allow-unsafe -o local/requirements.txt local/requirements.in
	$(COMPILE) --allow-unsafe -o requirements-dev.txt requirements-dev.in
	$(COMPILE) --allow-unsafe -o infra/requirements.txt infra/requirements.in
	$(COMPILE) -o local/servers/requirements.txt local/servers/requirements.in
	$(COMPILE) --allow-unsafe -o tests/deploy/scanner/requirements.txt tests/deploy/scanner/requirements.in
	$(COMPILE) -o tests/clients/requirements.txt tests/clients/requirements.in
	sed -i '1i # Complete: `pip install --no-deps -r requirements.txt`. The README says why, under "Working on it".' \
		requirements.txt
	sed -i '/^# WARNING/,$$d' requirements*.txt infra/requirements.txt local/requirements.txt \
		local/servers/requirements.txt tests/deploy/scanner/requirements.txt \
		tests/clients/requirements.txt

.PHONY: setup develop
setup:
	@$(PYTHON) local/bootstrap.py

develop:
	@$(PYTHON) local/bootstrap.py --for checks

CLOUD := .local/deploy-venv/bin/python -m infra.deploy

.PHONY: cloud
cloud:
	@[ -n "$(STAGE)" ] || { echo "Which stage? For example: make $(MAKECMDGOALS) STAGE=dev"; exit 1; }
	@$(PYTHON) local/bootstrap.py --for deploy

.PHONY: lint
lint:
	@$(BIN)/ruff format --check $(CODE)
	@$(BIN)/ruff check $(CODE)
	@$(BIN)/mypy $(CODE)
	@$(BIN)/lint-imports

COMPILE := $(BIN)/pip-compile --quiet --upgrade --generate-hashes --strip-extras --no-header \
	--no-annotate --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-emit-options

# What firebase-admin asks for and its messaging module never imports; then what asynchronous
# HTTP, RSA without cryptography, building extensions, yoyo's command and those parts of Authlib
# would need that sign and encrypt.
UNUSED := cachecontrol google-api-core google-cloud-core google-cloud-firestore \
	google-cloud-storage google-crc32c google-resumable-media googleapis-common-protos \
	grpcio grpcio-status msgpack opentelemetry-api proto-plus protobuf \
	anyio joserfc pyasn1 pyasn1-modules pycparser tabulate
