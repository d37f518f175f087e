# Tests: every tests/test_*.c is a Check program for the library, every tests/distill/test_*.c one for
# the trainer's parts. tests/support/ belongs to the library's tests alone, tests/distill/support/ to
# the trainer's: both sides have an rng.h.
# Scripts print 'N passed, M failed'.

TEST_CFLAGS    = -D_GNU_SOURCE -DTEST_DATA='"tests/data"' $(shell $(PKG_CONFIG) --cflags check)
TEST_LIBS      = $(shell $(PKG_CONFIG) --libs check) -lm
SUPPORT_OBJ   := $(patsubst %.c,$(O)/obj/%.o,$(wildcard tests/support/*.c))
LIB_TESTS     := $(patsubst tests/%.c,$(O)/tests/%,$(wildcard tests/test_*.c))
TRAINER_TESTS := $(patsubst tests/%.c,$(O)/tests/%,$(wildcard tests/distill/test_*.c))
LONG_TESTS    := $(patsubst tests/%.c,$(O)/tests/%,$(wildcard tests/long/test_*.c))
TRAINER_LONG  := $(filter %_damage %_resume %_out_of_memory,$(TRAINER_TESTS))
REPLAY        := $(O)/bin/gdkd-replay
CASES         := tests/data/reference_cases.txt

$(O)/obj/tests/%.o: tests/%.c $(O)/flags
	$(call cc,$(TEST_CFLAGS) -Itests/support -Ilib)

$(O)/obj/tests/distill/%.o: tests/distill/%.c $(O)/flags
	$(call cc,$(TEST_CFLAGS) -Itests/distill/support -Iexamples/distill $(TRAINER_CFLAGS))

$(LIB_TESTS): $(O)/tests/%: $(O)/obj/tests/%.o $(SUPPORT_OBJ) $(O)/lib/libgdkd.a
	@mkdir -p $(@D)
	$(LINK) $(ALL_LDFLAGS) $^ $(TEST_LIBS) -o $@

$(TRAINER_TESTS): $(O)/tests/%: $(O)/obj/tests/%.o $(TRAINER_LIB) $(O)/lib/libgdkd.a
	@mkdir -p $(@D)
	$(LINK) $(ALL_LDFLAGS) $^ $(TEST_LIBS) $(TRAINER_LIBS) -o $@

# The library's exponential by itself, compiled once per instruction set as the kernels are, and named as they are.
EXP_SRC := $(wildcard tests/long/scalar_*.c)
ifneq ($(filter x86_64-%,$(MACHINE)),)
EXP_SRC += $(wildcard tests/long/avx*.c)
endif
EXP_OBJ := $(EXP_SRC:%.c=$(O)/obj/%.o)

$(EXP_OBJ): $(O)/obj/%.o: %.c $(O)/flags
	$(call cc,$(LIB_CFLAGS))

$(LONG_TESTS): $(O)/tests/%: $(O)/obj/tests/%.o $(EXP_OBJ) $(O)/lib/libgdkd.a
	@mkdir -p $(@D)
	$(LINK) $(ALL_LDFLAGS) $^ $(TEST_LIBS) -o $@

$(REPLAY): $(O)/obj/tests/replay/gdkd-replay.o $(SUPPORT_OBJ) $(O)/lib/libgdkd.a
	@mkdir -p $(@D)
	$(LINK) $(ALL_LDFLAGS) $^ -lm -o $@

# A program that loads and unloads the shared library, without OpenMP of its own.
UNLOAD := $(O)/tests/unload/unload
$(UNLOAD): $(O)/obj/tests/unload/unload.o $(O)/lib/libgdkd.so
	@mkdir -p $(@D)
	$(LINK) $(SANFLAGS) $(LDFLAGS) $< -ldl -o $@

all: $(REPLAY)

# Kept for the next run: make would delete them as intermediate files.
.SECONDARY: $(patsubst $(O)/tests/%,$(O)/obj/tests/%.o,$(LIB_TESTS) $(TRAINER_TESTS) $(LONG_TESTS))

# Python cannot load a library that is built with sanitizers, and the page has no code that they would look at.
PAGE_TEST := $(if $(SANITIZE),,'tests/distill/test_page.py $(O)/lib/libgdkd.so')

check: check-rooms $(LIB_TESTS) $(TRAINER_TESTS) $(REPLAY) $(UNLOAD) $(O)/bin/gdkd-distill $(O)/bin/train $(O)/lib/libgdkd.so ## Build and run the tests
	@mk/run-tests.sh 'tests/replay/run.sh $(REPLAY) $(CASES)' 'tests/distill/cli.sh $(O)/bin/gdkd-distill' \
	                 'tests/distill/bad_input.sh $(O)/bin/gdkd-distill' 'tests/distill/kill.sh $(O)/bin/gdkd-distill' \
	                 'tests/train.sh $(O)/bin/train' '$(UNLOAD) $(O)/lib/libgdkd.so' $(PAGE_TEST) $(TRAINER_TESTS) $(LIB_TESTS)

check-long: $(LIB_TESTS) $(TRAINER_LONG) $(LONG_TESTS) $(O)/bin/gdkd-distill ## Random tests ten times as long, exp of every float
	@GDKD_TEST_LONG=1 mk/run-tests.sh 'tests/distill/kill.sh $(O)/bin/gdkd-distill 50' $(TRAINER_LONG) $(LIB_TESTS) $(LONG_TESTS)

# Against PyTorch, where it is installed; no part of `make check`. PYTORCH_ARGS: tests/pytorch/README.md.
$(O)/obj/tests/pytorch/step.o: tests/pytorch/step.c $(O)/flags
	$(call cc,-D_POSIX_C_SOURCE=200809L -Iexamples/distill)

$(O)/tests/pytorch/step: $(O)/obj/tests/pytorch/step.o $(TRAINER_LIB) $(O)/lib/libgdkd.a
	@mkdir -p $(@D)
	$(LINK) $(ALL_LDFLAGS) $^ $(TRAINER_LIBS) -o $@

.PHONY: check-pytorch
check-pytorch: $(O)/tests/pytorch/step $(O)/bin/gdkd-distill ## Compare the networks with PyTorch's (apt install python3-torch)
	@/usr/bin/python3 tests/pytorch/compare_model.py --build $(O) $(PYTORCH_ARGS)
