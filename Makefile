# Every target sets up what it needs first; after the first time that takes a moment.
PY := .venv/bin/python
EXAMPLE ?= resources/examples/armchair.webp
BENCHMARKS := fit thin soundness silhouette viewport network published_step repair solids

.PHONY: run test check bench format setup clean

run: setup
	@if [ "$$(uname -s)" != Linux ] || [ -n "$$DISPLAY$$WAYLAND_DISPLAY" ]; then \
		exec $(PY) main.py "$(EXAMPLE)"; \
	else \
		echo "There is no display: reconstructing $(EXAMPLE) without a window."; \
		mkdir -p out && exec $(PY) main.py "$(EXAMPLE)" --output out/; \
	fi

# All tests: two files at a time, then those that measure time, one after the other. With ARGS only those, in order.
test: setup
ifdef ARGS
	$(PY) -m pytest $(ARGS)
else
	$(PY) -m pytest -n 2 --dist loadfile -m "not alone"
	$(PY) -m pytest -m alone $$(grep -rl --include="*.py" "pytest.mark.alone" tests)
endif

check: setup
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	.venv/bin/lint-imports --no-cache

bench: setup
	@set -e; for name in $(BENCHMARKS); do echo "== $$name"; $(PY) -m tests.benchmarks.$$name; done

format: setup
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

setup:
	@sh resources/setup/setup.sh

clean:
	rm -rf build dist out *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
