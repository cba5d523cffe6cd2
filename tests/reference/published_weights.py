"""Write checkpoints in the authors' published format, filled with reproducible numbers.

``official_layout.json`` lists the names and shapes of their two released files. The values here are
pseudo-random, and ``official_forward_seed1.npz`` holds what the authors' code answered for them:

    points (2520, 3), code (1000,)                the cloud, and the encoder's output in eval mode
    template (2562, 3), faces (5120, 3)           their level-4 sphere
    vertices_block{1,2,3}_tol1e-8                 after each block, float64, rtol = atol = 1e-8
    vertices_block{1,2,3}_tol1e-5                 as they ran it: float32, rtol = atol = 1e-5
    nfe_tol…                                      evaluations of each of the six ODEs
    image_points (1024, 3)                        the image branch's answer to ``reference_image``
"""

from __future__ import annotations

import json
import zlib
from pathlib import Path

import numpy as np
import torch

HERE = Path(__file__).parent
LAYOUT = json.loads((HERE / "official_layout.json").read_text())


def answers() -> dict[str, np.ndarray]:
    with np.load(HERE / "official_forward_seed1.npz") as archive:
        return dict(archive)


def reference_image() -> torch.Tensor:
    rng = np.random.default_rng(1)
    rng.standard_normal((2520, 3))
    return torch.from_numpy(rng.random((1, 3, 224, 224)).astype(np.float32) * 2 - 1)


def state(kind: str) -> dict[str, torch.Tensor]:
    """The weights with seed 1; ``kind`` is "ae" or "svr"."""
    return {name: torch.from_numpy(np.array(_values(name, shape))) for name, shape in LAYOUT[kind]}


def write(kind: str, path: Path) -> Path:
    torch.save(state(kind), path)
    return path


def _values(name: str, shape: list[int]) -> np.ndarray:
    """Numbers that depend on the name and shape alone, scaled like a network's."""
    if name.endswith("num_batches_tracked"):
        return np.asarray(1, dtype=np.int64)
    noise = np.random.default_rng([1, zlib.crc32(name.encode())]).standard_normal(shape).astype(np.float32)
    if name.endswith("running_var"):
        return 1 + 0.2 * np.abs(noise)
    if name.endswith("running_mean"):
        return 0.1 * noise
    if len(shape) == 1:
        return 1 + 0.1 * noise if name.endswith("weight") else 0.1 * noise
    gain = 1.0 if name.endswith("l4.weight") else 2.0**0.5
    return noise * np.float32(gain / np.prod(shape[1:]) ** 0.5)
