# make demo   the whole job on real data: data, teacher, logits, four students, report, a packed file (a few minutes on two cores)
# make best   the same with a transfer set and three seeds a student: the tables of docs/results.md
# make record   the same of a teacher five times the size: the most accurate students
# make benchmark   speed, side by side with torch and fastText's C++ (at most 15 minutes on two cores)
# make test   linters, types and every test (make test-gpu: the tests that hold on a GPU, there)
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
BENCH_STAMP := $(VENV)/.bench-installed
STUDENTS := fasttext cnn
BEST_STUDENTS := fasttext dan cnn bilstm
TEACHER_best :=
TEACHER_record := --teacher demo-large --finetune-epochs 2 --finetune-learning-rate 3e-5
RECIPE ?= best

.PHONY: help install demo best record benchmark test test-gpu check format clean

help:
	@echo "make install   make $(VENV) and install everything, with the pins of constraints.txt"
	@echo "make demo      demo data, teacher, logits, four students, runs/demo/report.html, a packed file (RECIPE=notebook: the notebook's)"
	@echo "make best      with a transfer set and three seeds a student, runs/best/report.html"
	@echo "make record    the same of a teacher five times the size, runs/record/report.html"
	@echo "make benchmark speed beside torch and fastText's C++, into benchmarks/"
	@echo "make test      linters, types and every test"
	@echo "make test-gpu  the tests that hold on a CUDA GPU, there (installed with the extra cuda)"
	@echo "make check     linters and types alone"
	@echo "make format    format the source"
	@echo "make clean     delete $(VENV) (exports/, runs/ and teachers/ stay)"

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else \
	  "error: expected Python 3.11 or newer, got %d.%d; name another: make PYTHON=python3.12 …" % sys.version_info[:2])'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check --quiet -c constraints.txt -e ".[teacher,test]"
	@touch $@

demo: $(STAMP)
	$(BIN)/python scripts/export_logits.py
	@for student in $(STUDENTS); do \
	  for distil in "" --distil; do \
	    $(BIN)/python -m distill_jax.train --student $$student $$distil --recipe $(RECIPE) --resume || exit $$?; \
	  done; \
	done
	$(BIN)/python -m distill_jax.report runs/demo
	$(BIN)/python -m distill_jax.pack runs/demo/fasttext-distil

best record: $(STAMP)
	$(BIN)/python scripts/export_logits.py --output exports/$@ $(TEACHER_$@) --validation-fraction 0.1 \
	  --unlabelled demo film-reviews --unlabelled-rows 150000 --augment 12 --hint-width 64
	@for student in $(BEST_STUDENTS); do \
	  for distil in "" --distil; do \
	    $(BIN)/python -m distill_jax.train --export exports/$@ --student $$student $$distil --seeds 3 --resume || exit $$?; \
	  done; \
	done
	$(BIN)/python -m distill_jax.report runs/$@

$(BENCH_STAMP): $(STAMP)
	$(BIN)/python -m pip install --disable-pip-version-check --quiet -c constraints.txt -e ".[bench]"
	@touch $@

benchmark: $(BENCH_STAMP)
	$(BIN)/python scripts/export_logits.py
	$(BIN)/python -m scripts.benchmark

test-gpu: $(STAMP)
	JAX_PLATFORMS=cuda,cpu $(BIN)/python -m pytest -n 8 tests/students tests/inference tests/parity tests/training tests/tasks tests/library tests/runs tests/data tests/teacher_export

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: check
	$(BIN)/python -m pytest -n 2

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV)
