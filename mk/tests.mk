# Tests: every tests/test_*.c is a Check program for the library, every tests/distill/test_*.c one for
# the trainer's parts. tests/support/ belongs to the library's tests alone: both sides have an rng.h.

TEST_CFLAGS    = -D_GNU_SOURCE -DTEST_DATA='"tests/data"' $(shell $(PKG_CONFIG) --cflags check)
TEST_LIBS      = $(shell $(PKG_CONFIG) --libs check) -lm
SUPPORT_OBJ   := $(patsubst %.c,$(O)/obj/%.o,$(wildcard tests/support/*.c))
LIB_TESTS     := $(patsubst tests/%.c,$(O)/tests/%,$(wildcard tests/test_*.c))
TRAINER_TESTS := $(patsubst tests/%.c,$(O)/tests/%,$(wildcard tests/distill/test_*.c))

$(O)/obj/tests/%.o: tests/%.c $(O)/flags
	$(call cc,$(TEST_CFLAGS) -Itests/support -Ilib)

$(O)/obj/tests/distill/%.o: tests/distill/%.c $(O)/flags
	$(call cc,$(TEST_CFLAGS) -Iexamples/distill $(TRAINER_CFLAGS))

$(LIB_TESTS): $(O)/tests/%: $(O)/obj/tests/%.o $(SUPPORT_OBJ) $(O)/lib/libgdkd.a
	@mkdir -p $(@D)
	$(CC) $(ALL_LDFLAGS) $^ $(TEST_LIBS) -o $@

$(TRAINER_TESTS): $(O)/tests/%: $(O)/obj/tests/%.o $(TRAINER_LIB) $(O)/lib/libgdkd.a
	@mkdir -p $(@D)
	$(CC) $(ALL_LDFLAGS) $^ $(TEST_LIBS) $(TRAINER_LIBS) -o $@

# Kept for the next run: make would delete them as intermediate files.
.SECONDARY: $(patsubst $(O)/tests/%,$(O)/obj/tests/%.o,$(LIB_TESTS) $(TRAINER_TESTS))

check: $(LIB_TESTS) $(TRAINER_TESTS) ## Build and run the tests
	@mk/run-tests.sh $^

# The trainer as a user meets it.
.PHONY: check-cli
check-cli: $(O)/bin/gdkd-distill
	@echo '== distill/cli.sh'
	@tests/distill/cli.sh $<

check: check-cli

# Against PyTorch, where it is installed; no part of `make check`.
$(O)/obj/tests/pytorch/step.o: tests/pytorch/step.c $(O)/flags
	$(call cc,-D_POSIX_C_SOURCE=200809L -Iexamples/distill)

$(O)/tests/pytorch/step: $(O)/obj/tests/pytorch/step.o $(TRAINER_LIB) $(O)/lib/libgdkd.a
	@mkdir -p $(@D)
	$(CC) $(ALL_LDFLAGS) $^ $(TRAINER_LIBS) -o $@

.PHONY: check-pytorch
check-pytorch: $(O)/tests/pytorch/step $(O)/bin/gdkd-distill ## Compare the networks with PyTorch's (apt install python3-torch)
	@/usr/bin/python3 tests/pytorch/compare_model.py --build $(O)
