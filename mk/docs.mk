# Documents that are made from other files, or hold code; `check-docs` holds them to these.

docs/api.md: include/gdkd.h tools/api_docs.py
	@python3 tools/api_docs.py include/gdkd.h > $@.tmp && mv $@.tmp $@

.PHONY: check-docs
check-docs: ## docs/api.md and the examples are up to date, integration.md's code compiles
	@python3 tools/api_docs.py --check include/gdkd.h docs/api.md
	@python3 tools/same_example.py examples/quickstart.c README.md include/gdkd.h
	@mk/check-fragments.sh docs/integration.md $(CC) -std=c99 $(WARNINGS) -Werror -Iinclude
