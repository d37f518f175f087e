# The main job on real images: one teacher, a student for each loss and seed, a table and a report.
# DEMO_ARGS come last, so they win: make demo DEMO_ARGS='--limit 300 --epochs 1 --teacher-epochs 1'.
#
# Sized to end well within 8 minutes on two cores, teacher included: a tenth of the training images, few epochs.
# A second run finds the teacher in DEMO_DIR and reuses it.

DEMO_DIR  ?= build/demo
DEMO_ARGS ?=
DEMO_RUN  := --data fashion-mnist --teacher-model resnet20 --model resnet8 --losses ce,kd,dkd,gdkd \
             --seeds 1,2 --warmup 2 --limit 6000 --teacher-epochs 6 --epochs 4 --out-dir $(DEMO_DIR)

.PHONY: demo
demo: $(O)/bin/gdkd-distill ## Distil resnet8 from resnet20 on Fashion-MNIST; table and build/demo/report.html
	$(O)/bin/gdkd-distill compare $(DEMO_RUN) $(DEMO_ARGS)
