"""What a step, its parts and its data cost: see ``tools/benchmark.py``."""
