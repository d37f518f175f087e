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

# Installing, and the pkg-config file.

# A word for the shell, whatever it holds.
quote = '$(subst ','\'',$(1))'
HEADERS_TO := $(call quote,$(DESTDIR)$(INCLUDEDIR))
LIBS_TO    := $(call quote,$(DESTDIR)$(LIBDIR))

# Made anew each time: `make` and `make install PREFIX=...` may differ in their folders.
$(O)/lib/gdkd.pc: mk/gdkd-pc.sh FORCE
	@mkdir -p $(@D)
	@$< $(call quote,$(PREFIX)) $(call quote,$(LIBDIR)) $(call quote,$(INCLUDEDIR)) $(VERSION) \
	    $(if $(findstring clang,$(CC)),-fopenmp,-lgomp) > $@

install: lib ## Header, libraries and gdkd.pc under DESTDIR and PREFIX
	install -d $(HEADERS_TO) $(LIBS_TO)/pkgconfig
	install -m 644 include/gdkd.h $(HEADERS_TO)
	install -m 644 $(O)/lib/libgdkd.a $(LIBS_TO)
	install -m 755 $(O)/lib/$(SOFILE) $(LIBS_TO)
	ln -sf $(SOFILE) $(LIBS_TO)/$(SONAME)
	ln -sf $(SONAME) $(LIBS_TO)/libgdkd.so
	install -m 644 $(O)/lib/gdkd.pc $(LIBS_TO)/pkgconfig

uninstall: ## Remove what install put there
	rm -f $(HEADERS_TO)/gdkd.h $(LIBS_TO)/libgdkd.a $(LIBS_TO)/libgdkd.so $(LIBS_TO)/$(SONAME) $(LIBS_TO)/$(SOFILE) \
	      $(LIBS_TO)/pkgconfig/gdkd.pc
