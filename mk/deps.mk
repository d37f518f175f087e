# What has to be installed. `make deps` is for users; DEV=1 adds what `make lint` and a build with clang need.

DEPS := gcc make pkg-config binutils libopenblas-dev libcjson-dev zlib1g-dev libpng-dev libjpeg-dev libwebp-dev check python3 python3-matplotlib python3-jinja2 dataset-fashion-mnist
ifneq ($(DEV),)
DEPS += g++ clang clang-format clang-tidy libomp-dev shellcheck valgrind python3-numpy git
endif

deps: ## Install the Debian packages that build, tests and demo need (DEV=1: lint and clang too)
	@mk/deps.sh $(DEPS)

# `make -j deps demo` installs before it compiles.
ifneq ($(filter deps,$(MAKECMDGOALS)),)
$(O)/flags: | deps
endif
