# Formatting, static analysis and the compilation database.

SOURCES := $(shell git ls-files '*.c' '*.h' '*.cc' 2>/dev/null)
SCRIPTS := $(shell git ls-files '*.sh' .ci/run 2>/dev/null)

lint: compile_commands.json check-rooms ## clang-format and clang-tidy have nothing to say (and shellcheck on the scripts)
	@echo '  FORMAT'
	@clang-format --dry-run -Werror $(SOURCES)
	@echo '  SHELL'
	@shellcheck $(SCRIPTS)
	@echo '  TIDY'
	@git ls-files '*.c' | xargs -P$$(nproc) -n1 mk/tidy.sh

.PHONY: check-rooms
check-rooms: ## The trainer's includes point down, from room to room
	@mk/check-rooms.sh

format: ## Format all sources in place
	clang-format -i $(SOURCES)

compile_commands.json: $(O)/flags $(MAKEFILE_LIST) ## The commands, for editors and clang-tidy
	@$(MAKE) -Bnk V=1 CC=$(CC) all $(LIB_TESTS) $(TRAINER_TESTS) $(LONG_TESTS) $(UNLOAD) $(O)/tests/pytorch/step 2>/dev/null | mk/compile-commands.sh > $@.tmp && mv $@.tmp $@

# Documents that are made from other files, or hold code; `check-docs` holds them to these.

docs/api.md: include/gdkd.h tools/api_docs.py
	@python3 tools/api_docs.py include/gdkd.h > $@.tmp && mv $@.tmp $@

.PHONY: check-docs
check-docs: ## docs/api.md and the examples are up to date, integration.md's code compiles
	@python3 tools/api_docs.py --check include/gdkd.h docs/api.md
	@python3 tools/same_example.py examples/quickstart.c README.md include/gdkd.h
	@mk/check-fragments.sh docs/integration.md $(CC) -std=c99 $(WARNINGS) -Werror -Iinclude
