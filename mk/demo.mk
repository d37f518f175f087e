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
