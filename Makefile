.DEFAULT_GOAL := help
BIN := .venv/bin
PYTHON ?= python3
CODE := app.py chalicelib infra local bench tests docs
# The tests start hundreds of Python processes. Without bytecode, each would compile all its imports.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# Options of `python -m local`, from the variables of make.
PORTS = $(if $(PORT),--http-port "$(PORT)")
SERVE = $(PORTS) $(if $(SOCKET_PORT),--socket-port "$(SOCKET_PORT)") $(if $(DEV),--dev)

.PHONY: run
run: ## serve Parley at PORT, or 8000; DEV=1 to work on its code; Ctrl-C stops it
	@$(PYTHON) -m local.bootstrap --check
	@$(PYTHON) -m local run --check $(SERVE)
	@$(PYTHON) -m local.bootstrap
	@exec $(BIN)/python -m local run $(SERVE)

.PHONY: demo
demo: setup ## add two demo accounts and a chat to the Parley that runs
	@exec $(BIN)/python -m local demo

.PHONY: services
services: ## start only the servers, for `chalice local`; it writes their addresses to .local/services.env
	@$(PYTHON) -m local.bootstrap --check
	@$(PYTHON) -m local services --check $(PORTS)
	@$(PYTHON) -m local.bootstrap
	@exec $(BIN)/python -m local services $(PORTS)

.PHONY: test
test: ## install what is missing, then run every check and test; ONLY=g1 runs tests with g1 in the name
	@$(PYTHON) -m local.bootstrap --for tests
	@$(if $(ONLY),,$(MAKE) --no-print-directory lint)
	@$(BIN)/pytest --numprocesses 3 --dist loadfile $(if $(ONLY),-k "$(ONLY)") tests

.PHONY: soak
soak: develop ## chat for MINUTES while servers die and freeze, and look for lost messages
	@MINUTES="$(MINUTES)" $(BIN)/pytest -q -s tests/faults/soak.py

.PHONY: check
check: develop lint ## format, lint, types, import rules and unit tests
	@$(BIN)/pytest -q tests/unit

.PHONY: format
format: develop ## format the code as `make check` wants it
	@$(BIN)/ruff format $(CODE)
	@$(BIN)/ruff check --fix $(CODE)

.PHONY: docs
docs: develop ## build the documents that come from the code, and their pages in build/docs
	@$(BIN)/python -m docs.generators.access
	@$(BIN)/python -m docs.generators.rates
	@$(BIN)/python -m docs.generators.reference build/docs $(if $(API),--server "$(API)") $(if $(SOCKET),--socket "$(SOCKET)")

.PHONY: lint-infra
lint-infra: develop
	@$(BIN)/pytest -q tests/deploy/templates

.PHONY: bench
bench: setup ## measure, and print the figures as a table and as JSON
	@exec $(BIN)/python -m bench $(ARGS)

.PHONY: deploy
deploy: cloud ## deploy STAGE to AWS; DRY_RUN=1 only says what it would do
	@exec $(CLOUD) deploy --stage "$(STAGE)" $(if $(DRY_RUN),--dry-run) $(if $(FCM),--fcm "$(FCM)")

.PHONY: rollback
rollback: cloud ## put back the functions of STAGE as they were before the last deploy
	@exec $(CLOUD) rollback --stage "$(STAGE)"

.PHONY: destroy
destroy: cloud ## remove STAGE from AWS
	@exec $(CLOUD) destroy --stage "$(STAGE)"

.PHONY: redrive
redrive: cloud ## retry dead-lettered pushes of STAGE, at most LIMIT
	@exec $(CLOUD) redrive --stage "$(STAGE)" $(if $(LIMIT),--limit "$(LIMIT)")

.PHONY: grant
grant: cloud ## give USERNAME of STAGE a ROLE: moderator or admin
	@exec $(CLOUD) grant --stage "$(STAGE)" --username "$(USERNAME)" --role "$(ROLE)"

.PHONY: oauth-client
oauth-client: cloud ## register an OAuth client with STAGE: NAME, SCOPES, REDIRECT_URIS, PUBLIC=1
	@exec $(CLOUD) oauth-client --stage "$(STAGE)" --name "$(NAME)" --scopes "$(SCOPES)" \
		--redirect-uris "$(REDIRECT_URIS)" \
		--post-logout-redirect-uris "$(POST_LOGOUT_REDIRECT_URIS)" $(if $(PUBLIC),--public) \
		$(if $(OPTIONAL_PKCE),--optional-pkce) $(if $(CLAIMS_IN_ID_TOKEN),--claims-in-id-token)

.PHONY: event-consumer
event-consumer: cloud ## let the service NAME consume EVENTS of STAGE, or all; REMOVE=1 ends that
	@exec $(CLOUD) event-consumer --stage "$(STAGE)" --name "$(NAME)" --events "$(EVENTS)" $(if $(REMOVE),--remove)

.PHONY: smoke
smoke: cloud ## test STAGE from outside with two users; PUSH_TOKEN also sends a push to a device
	@exec $(CLOUD) smoke --stage "$(STAGE)" $(if $(PUSH_TOKEN),--push-token "$(PUSH_TOKEN)")

.PHONY: rotate-keys
rotate-keys: cloud ## do the next phase of giving access tokens of STAGE a new key
	@exec $(CLOUD) rotate-keys --stage "$(STAGE)"

.PHONY: web
web: setup ## build the web client into build/web, and say how to serve it; WORKER=0 removes its service worker
	@rm -rf build/web
	@$(BIN)/python -m local.web build/web $(if $(filter 0,$(WORKER)),--no-worker)

.PHONY: package
package: develop ## build what `make deploy` would deploy, and print its sizes
	@$(BIN)/python -m infra.package $(ARGS)

.PHONY: clean
clean: ## delete all local data, environments and caches
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
	sed -i '1i # Complete: `pip install --no-deps -r requirements.txt`. docs/operations.md says why, under "Plain pip and plain Chalice".' \
		requirements.txt
	sed -i '/^# WARNING/,$$d' requirements*.txt infra/requirements.txt local/requirements.txt \
		local/servers/requirements.txt tests/deploy/scanner/requirements.txt \
		tests/clients/requirements.txt

.PHONY: setup develop
setup:
	@$(PYTHON) -m local.bootstrap

develop:
	@$(PYTHON) -m local.bootstrap --for checks

CLOUD := .local/deploy-venv/bin/python -m infra.deploy

.PHONY: cloud
cloud:
	@[ -n "$(STAGE)" ] || { echo "Which stage? For example: make $(MAKECMDGOALS) STAGE=dev"; exit 1; }
	@$(PYTHON) -m local.bootstrap --for deploy

.PHONY: lint
lint:
	@$(BIN)/ruff format --check $(CODE)
	@$(BIN)/ruff check $(CODE)
	@$(BIN)/mypy $(CODE)
	@$(BIN)/lint-imports

COMPILE := $(BIN)/pip-compile --quiet --upgrade --generate-hashes --strip-extras --no-header \
	--no-annotate --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-emit-options

# Requirements that we never import: of firebase-admin, except its messaging module; then of
# asynchronous HTTP, RSA without cryptography, building extensions, yoyo's command, and the parts of
# Authlib that sign and encrypt.
UNUSED := cachecontrol google-api-core google-cloud-core google-cloud-firestore \
	google-cloud-storage google-crc32c google-resumable-media googleapis-common-protos \
	grpcio grpcio-status msgpack opentelemetry-api proto-plus protobuf \
	anyio joserfc pyasn1 pyasn1-modules pycparser tabulate
