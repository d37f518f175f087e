# The library: libgdkd.a and libgdkd.so. Only the kernel files of an instruction set get its flags.

# Before `make deps demo` has installed the compiler, it is the machine that says what it will compile for.
MACHINE := $(or $(shell $(CC) -dumpmachine 2>/dev/null),$(shell uname -m)-)
LIB_SRC := $(wildcard lib/*.c lib/kernels/scalar*.c)
# Its vectors are wider than registers and never leave a file, so their calling convention does not matter.
ISA_CFLAGS_scalar := -Os -Wno-psabi
ISA_CFLAGS_avx2   := -mavx2 -mfma -mf16c -mpopcnt
ISA_CFLAGS_avx512 := -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx2 -mfma -mf16c -mpopcnt -mprefer-vector-width=512
ifneq ($(filter x86_64-%,$(MACHINE)),)
LIB_SRC += $(wildcard lib/kernels/avx2*.c lib/kernels/avx512*.c)
endif
LIB_OBJ := $(LIB_SRC:%.c=$(O)/obj/%.o)

# A kernel's name is its instruction set and type; tests/long has exp_ before it.
isa_of      = $(firstword $(subst _, ,$(patsubst exp_%,%,$(notdir $(1)))))
LIB_CFLAGS  = -fPIC -fvisibility=hidden $(NUMERICS) -Ilib -Ilib/kernels $(ISA_CFLAGS_$(call isa_of,$<))

$(LIB_OBJ): $(O)/obj/%.o: %.c $(O)/flags
	$(call cc,$(LIB_CFLAGS))

lib: $(O)/lib/libgdkd.a $(O)/lib/libgdkd.so $(O)/lib/gdkd.pc

$(O)/lib/libgdkd.a: $(LIB_OBJ)
	@mkdir -p $(@D)
	@rm -f $@
	$(if $(V),,@)$(AR) rcs $@ $^
	@mk/check-symbols.sh archive $@

# The OpenMP run-time's threads outlive a call. dlclose must not unmap it, and with it the code that they wait in.
SO_STAYS := -Wl,-z,nodelete

$(O)/lib/$(SOFILE): $(LIB_OBJ)
	@mkdir -p $(@D)
	$(LINK) -shared -Wl,-soname,$(SONAME) -Wl,-z,defs $(SO_STAYS) $(ALL_LDFLAGS) $^ -lm -o $@
	@mk/check-symbols.sh shared $@

$(O)/lib/libgdkd.so: $(O)/lib/$(SOFILE)
	@ln -sf $(SOFILE) $(@D)/$(SONAME)
	@ln -sf $(SONAME) $@
