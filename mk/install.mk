# Installing, and the pkg-config file.

# Made anew each time: `make` and `make install PREFIX=...` may differ in their folders.
$(O)/lib/gdkd.pc: gdkd.pc.in FORCE
	@mkdir -p $(@D)
	@sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@LIBDIR@|$(LIBDIR:$(PREFIX)/%=$${prefix}/%)|' -e 's|@INCLUDEDIR@|$(INCLUDEDIR:$(PREFIX)/%=$${prefix}/%)|' \
	     -e 's|@VERSION@|$(VERSION)|' -e 's|@OPENMP_LIBS@|$(if $(findstring clang,$(CC)),-fopenmp,-lgomp)|' $< > $@

install: lib ## Header, libraries and gdkd.pc under DESTDIR and PREFIX
	install -d '$(DESTDIR)$(INCLUDEDIR)' '$(DESTDIR)$(LIBDIR)/pkgconfig'
	install -m 644 include/gdkd.h '$(DESTDIR)$(INCLUDEDIR)'
	install -m 644 $(O)/lib/libgdkd.a '$(DESTDIR)$(LIBDIR)'
	install -m 755 $(O)/lib/$(SOFILE) '$(DESTDIR)$(LIBDIR)'
	ln -sf $(SOFILE) '$(DESTDIR)$(LIBDIR)/$(SONAME)'
	ln -sf $(SONAME) '$(DESTDIR)$(LIBDIR)/libgdkd.so'
	install -m 644 $(O)/lib/gdkd.pc '$(DESTDIR)$(LIBDIR)/pkgconfig'

uninstall: ## Remove what install put there
	rm -f '$(DESTDIR)$(INCLUDEDIR)/gdkd.h' '$(DESTDIR)$(LIBDIR)/libgdkd.a' '$(DESTDIR)$(LIBDIR)/libgdkd.so' \
	      '$(DESTDIR)$(LIBDIR)/$(SONAME)' '$(DESTDIR)$(LIBDIR)/$(SOFILE)' '$(DESTDIR)$(LIBDIR)/pkgconfig/gdkd.pc'
