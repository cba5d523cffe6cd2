"""One step of the fit on a CPU as loops that numba compiles.

Run operation by operation, a step spends most of its time between operations: some two hundred of them, each
over a few thousand numbers. Here the same is computed in one go, its gradient included, several times faster.
What it means is said by ``fitting.objective``, which runs on a GPU, and which this is tested against.
"""
