# The benchmark (build/bin/gdkd-bench). It sees the library through gdkd.h only.

BENCH_OBJ  := $(patsubst %.c,$(O)/obj/%.o,$(wildcard bench/*.c))
BENCH_ARGS ?=
# The yardsticks may fuse multiplications and additions, as the kernels do by hand.
BENCH_CFLAGS := -D_DEFAULT_SOURCE -ffp-contract=fast -fno-math-errno -fno-trapping-math

$(BENCH_OBJ): $(O)/obj/%.o: %.c $(O)/flags
	$(call cc,$(BENCH_CFLAGS))

$(O)/bin/gdkd-bench: $(BENCH_OBJ) $(O)/lib/libgdkd.a
	@mkdir -p $(@D)
	$(LINK) $(ALL_LDFLAGS) $^ -lm -o $@

bench: $(O)/bin/gdkd-bench ## Build and run the benchmark (BENCH_ARGS='--quick'; under ten minutes without)
	@$(O)/bin/gdkd-bench $(BENCH_ARGS)

all: $(O)/bin/gdkd-bench
