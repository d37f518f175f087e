# libgdkd. `make help` lists the targets. GNU make; out-of-tree objects, one folder per configuration.

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SUFFIXES:

# As many jobs as there are processors, unless -j says otherwise; one, where `clean` must come before or after.
ifeq ($(filter -j% --jobs%,$(MAKEFLAGS))$(filter clean,$(MAKECMDGOALS)),)
MAKEFLAGS += -j$(or $(shell nproc 2>/dev/null),1)
endif

# --- Configuration -------------------------------------------------------------------------------

ifeq ($(origin CC),default)
CC := gcc
endif
AR         ?= ar
PKG_CONFIG ?= pkg-config
PREFIX     ?= /usr/local
LIBDIR     ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
BINDIR     ?= $(PREFIX)/bin

comma := ,
# `build` for plain `make`; build/clang, build/gcc-debug, build/gcc-address-undefined ... otherwise,
# so that objects of two configurations never meet.
CONFIG := $(subst /,_,$(notdir $(firstword $(CC))))$(if $(DEBUG),-debug)$(if $(SANITIZE),-$(subst $(comma),-,$(SANITIZE)))
O      := $(if $(filter gcc,$(CONFIG)),build,build/$(CONFIG))

# The version stands in the public header and nowhere else.
version_part = $(shell sed -n 's/^#define GDKD_VERSION_$(1) *\([0-9]*\)$$/\1/p' include/gdkd.h)
MAJOR   := $(call version_part,MAJOR)
VERSION := $(MAJOR).$(call version_part,MINOR).$(call version_part,PATCH)
SONAME  := libgdkd.so.$(MAJOR)
SOFILE  := libgdkd.so.$(VERSION)

WARNINGS := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes
ifneq ($(WERROR),)
WARNINGS += -Werror
endif
# -O1 under the sanitizers: clang needs minutes for the checked kernels at -O3.
OPTIMISE := $(if $(DEBUG),-O0 -g3,$(if $(SANITIZE),-O1 -g,-O3 -g))
SANFLAGS := $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-sanitize-recover=all -fno-omit-frame-pointer)
# -ffp-contract=off: fused multiply-adds stand only where they are written, so that every instruction
# set gives the same bits. -fno-math-errno and -fno-trapping-math change no value; they let loops vectorise.
NUMERICS := -ffp-contract=off -fno-math-errno -fno-trapping-math
# -fno-delete-null-pointer-checks: gcc 12's induction variables write an access as 0 + offset, which its search for pure
# functions takes for one to address 0, after which nothing counts: at -O1 it removed a call that stores.
BASE_CFLAGS := -std=c11 $(OPTIMISE) -fno-delete-null-pointer-checks $(WARNINGS) $(SANFLAGS) -fopenmp -MMD -MP -Iinclude
ALL_LDFLAGS := $(SANFLAGS) -fopenmp $(LDFLAGS)

.PHONY: all lib check check-long demo bench install uninstall deps lint format clean help FORCE

all: lib ## Library, trainer and benchmark (build/lib, build/bin)

# --- Rebuild what another set of flags had built --------------------------------------------------

$(O)/flags: FORCE
	@mkdir -p $(@D)
	@printf '%s\n' '$(CC) $(BASE_CFLAGS) $(CFLAGS) $(CPPFLAGS) $(ALL_LDFLAGS)' | cmp -s - $@ || \
	 printf '%s\n' '$(CC) $(BASE_CFLAGS) $(CFLAGS) $(CPPFLAGS) $(ALL_LDFLAGS)' > $@
FORCE:

compile = @mkdir -p $(@D)$(if $(V),,; echo '  CC      $<')
define cc
$(compile)
$(if $(V),,@)$(CC) $(BASE_CFLAGS) $(1) $(CPPFLAGS) $(CFLAGS) -c $< -o $@
endef

LINK = $(if $(V),,@echo '  LD      $@' && )$(CC)

include mk/lib.mk
include mk/examples.mk
include mk/bench.mk
include mk/tests.mk
include mk/install.mk
include mk/quality.mk

clean: ## Remove everything that was built
	rm -rf build compile_commands.json

help: ## This list
	@echo 'make TARGET [CC=clang] [DEBUG=1] [SANITIZE=address,undefined] [WERROR=1] [V=1]'
	@sed -n 's/^\([a-z_.-]*\):.*## \(.*\)/  \1|\2/p' $(MAKEFILE_LIST) | sort | awk -F'|' '{printf "%-26s%s\n",$$1,$$2}'

-include $(shell find $(O)/obj -name '*.d' 2>/dev/null)
