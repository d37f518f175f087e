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
