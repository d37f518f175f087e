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
