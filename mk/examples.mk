# The trainer (build/bin/gdkd-distill) and the small examples. They see the library through gdkd.h only.

# The rooms, those above first: a file may include its own room's headers and those of rooms further down.
# net and data stand side by side: neither knows the other (mk/check-rooms.sh).
ROOMS        := app report train net data base
TRAINER_SRC  := $(wildcard $(ROOMS:%=examples/distill/%/*.c))
TRAINER_OBJ  := $(TRAINER_SRC:%.c=$(O)/obj/%.o)
# Everything but main(), so that the tests link the same objects.
TRAINER_LIB  := $(filter-out %/main.o,$(TRAINER_OBJ))
TRAINER_PKGS := openblas zlib libcjson libpng libjpeg libwebp
# Asked for only when a recipe needs it: `make deps` must work before the packages are there.
# -isystem: their headers are not ours to lint.
TRAINER_CFLAGS = $(patsubst -I%,-isystem %,$(shell $(PKG_CONFIG) --cflags $(TRAINER_PKGS)))
TRAINER_LIBS   = $(shell $(PKG_CONFIG) --libs $(TRAINER_PKGS)) -lm

# The network's kernels are compiled once per instruction set, as the library's are (mk/lib.mk); their
# sums may be fused to multiply-adds, which C11 mode forbids otherwise.
KERNEL_CFLAGS = $(if $(filter kernels_%,$(notdir $<)),-ffp-contract=fast)
ifneq ($(filter x86_64-%,$(MACHINE)),)
KERNEL_CFLAGS += $(ISA_CFLAGS_$(word 2,$(subst _, ,$(basename $(notdir $<)))))
endif

$(TRAINER_OBJ): $(O)/obj/%.o: %.c $(O)/flags
	$(call cc,-D_POSIX_C_SOURCE=200809L -Iexamples/distill $(TRAINER_CFLAGS) $(KERNEL_CFLAGS))

$(O)/bin/gdkd-distill: $(TRAINER_OBJ) $(O)/lib/libgdkd.a
	@mkdir -p $(@D)
	$(LINK) $(ALL_LDFLAGS) $^ $(TRAINER_LIBS) -o $@

# The page about runs is made by a program of its own, which the trainer looks for beside itself. A link: it looks for
# page.html beside itself in turn.
$(O)/bin/gdkd-report: FORCE
	@mkdir -p $(@D)
	@ln -sfn $(CURDIR)/examples/distill/report/report.py $@

$(O)/bin/gdkd-distill: | $(O)/bin/gdkd-report

$(O)/bin/quickstart: examples/quickstart.c $(O)/lib/libgdkd.a $(O)/flags
	@mkdir -p $(@D)
	$(CC) $(BASE_CFLAGS) $(CPPFLAGS) $(CFLAGS) -MF $(O)/obj/quickstart.d $< $(O)/lib/libgdkd.a $(ALL_LDFLAGS) -lm -o $@

TRAIN_PKGS := openblas zlib
$(O)/bin/train: examples/train.c $(O)/lib/libgdkd.a $(O)/flags
	@mkdir -p $(@D)
	$(CC) $(BASE_CFLAGS) $(patsubst -I%,-isystem %,$(shell $(PKG_CONFIG) --cflags $(TRAIN_PKGS))) $(CPPFLAGS) $(CFLAGS) -MF $(O)/obj/train.d \
	    $< $(O)/lib/libgdkd.a $(ALL_LDFLAGS) $(shell $(PKG_CONFIG) --libs $(TRAIN_PKGS)) -lm -o $@

TRAIN_ARGS ?=
.PHONY: train
train: $(O)/bin/train ## Distil a small network from a large one: examples/train.c, one file, under a minute
	$(O)/bin/train $(TRAIN_ARGS)

all: $(O)/bin/gdkd-distill $(O)/bin/gdkd-report $(O)/bin/quickstart $(O)/bin/train

# --- The demo --------------------------------------------------------------------------------------

# What distillation is for, on real images: a teacher of all 60,000 images, students of 1,000; a student for each loss and
# seed, a sentence, a table and a report. How this set-up was chosen: docs/log/2026-11-28-demo.md.
# DEMO_ARGS come last, so they win: make demo DEMO_ARGS='--limit 300 --epochs 1 --teacher-epochs 1'.
#
# Sized to end within 8 minutes on two cores, teacher included. The losses have their defaults. A second run finds the
# teacher in DEMO_DIR and reuses it.

DEMO_DIR  ?= build/demo
DEMO_ARGS ?=
DEMO_RUN  := --data fashion-mnist --teacher-model resnet20 --teacher-epochs 2 --model resnet8 --student-limit 1000 \
             --epochs 24 --losses ce,kd,dkd,gdkd --seeds 1,2,3 --out-dir $(DEMO_DIR)

.PHONY: demo
demo: $(O)/bin/gdkd-distill ## Distil resnet8 from resnet20 on Fashion-MNIST; table and build/demo/report.html
	$(O)/bin/gdkd-distill compare $(DEMO_RUN) $(DEMO_ARGS)
