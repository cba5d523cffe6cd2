from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

TINY = """
template_level = 1
[encoder]
channels = [16, 24]
head = [16]
context_after = 1
[flow]
width = 24
blocks = 2
nodes_per_block = 1
integration_time = 0.4
latent_size = 16
rescale = "none"
code_bias = true
[solver]
method = "midpoint"
[image]
features = 16
hidden = [16]
points = 32
width = 4
[training]
steps = 6
batch_size = 4
warmup = 2
input_points = 48
fewest_points = 24
target_points = 40
samples = 40
template_level = 1
block_weights = [1, 3]
log_every = 1
validate_every = 3
validation_shapes = 2
[training.augment]
noise = 0.01
rotate = "yaw"
"""


@pytest.fixture
def config_file(tmp_path) -> Path:
    path = tmp_path / "tiny.toml"
    path.write_text(TINY)
    return path


@pytest.fixture
def packed(tmp_path) -> Path:
    """Ten ellipsoids, 6 to learn."""
    rng = np.random.default_rng(0)
    points = rng.normal(size=(10, 64, 3))
    points /= np.linalg.norm(points, axis=2, keepdims=True)
    points *= rng.uniform(0.3, 1, (10, 1, 3))
    path = tmp_path / "shapes.npz"
    np.savez(
        path,
        points=(points * 32767).astype(np.int16),
        id=np.array([f"shape{i}" for i in range(10)]),
        category=np.array(["egg"] * 10),
        split=np.array(["train"] * 6 + ["validation"] * 2 + ["test"] * 2),
    )
    return path
