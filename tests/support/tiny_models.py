"""Small models with random weights, and small data sets of eggs, for what runs a model end to end."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from nmf_model import checkpoint
from nmf_model.config import EncoderConfig, FlowConfig, ImageEncoderConfig, ModelConfig, SolverConfig
from nmf_model.model import NeuralMeshFlow


def save_model(path: Path, *, pictures: bool = False, **provenance: str) -> Path:
    torch.manual_seed(0)
    config = ModelConfig(
        encoder=EncoderConfig(channels=(8, 8), head=(8,)),
        flow=FlowConfig(width=8, blocks=1, nodes_per_block=1, latent_size=8, rescale="none"),
        solver=SolverConfig(method="midpoint", steps=1),
        image=ImageEncoderConfig(features=8, hidden=(8,), points=60, width=2) if pictures else None,
        template_level=1,
    )
    checkpoint.save(path, NeuralMeshFlow(config).eval(), provenance=provenance)
    return path


def egg(number: int, count: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """Return points and normals of an ellipsoid, off the origin as a published object may be."""
    rng = np.random.default_rng(number)
    sphere = rng.normal(size=(count, 3))
    sphere /= np.linalg.norm(sphere, axis=1, keepdims=True)
    axes = rng.uniform(0.3, 0.8, 3)
    normals = sphere / axes
    return sphere * axes + 0.05, normals / np.linalg.norm(normals, axis=1, keepdims=True)


def save_pack(path: Path, count: int = 4) -> Path:
    """Write a packed set of test objects "shape0" …, even ones "egg", odd ones "ball"."""
    eggs = [egg(number) for number in range(count)]
    np.savez(
        path,
        points=np.stack([np.rint(points * 32767).astype(np.int16) for points, _ in eggs]),
        normals=np.stack([np.rint(normals * 127).astype(np.int8) for _, normals in eggs]),
        id=np.array([f"shape{number}" for number in range(count)]),
        category=np.array([("egg", "ball")[number % 2] for number in range(count)]),
        split=np.array(["test"] * count),
    )
    return path


def save_views(path: Path, count: int = 4, views: int = 2) -> Path:
    """Write renderings of the packed objects; the second has none."""
    rng = np.random.default_rng(0)
    parts = []
    for number in range(count * views):
        picture = np.zeros((20, 20, 4), dtype=np.uint8)
        picture[4:16, 3 + number % 5 : 12] = [*rng.integers(60, 255, 3), 255]
        stream = io.BytesIO()
        Image.fromarray(picture).save(stream, "webp", lossless=True)
        parts.append(stream.getvalue())
    np.savez(
        path,
        webp=np.frombuffer(b"".join(parts), dtype=np.uint8),
        offset=np.cumsum([0, *map(len, parts)]),
        azimuth_elevation=rng.uniform(0.2, 0.6, (count, views, 2)).astype(np.float32),
        id=np.array([f"shape{number}" for number in range(count)]),
        has_views=np.arange(count) != 1,
    )
    return path


def save_folder(root: Path, count: int = 12) -> Path:
    """Write the published layout with objects in two categories."""
    for number in range(count):
        folder = root / "ShapeNetPoints" / ("egg", "ball")[number % 2] / f"item{number}"
        folder.mkdir(parents=True)
        points, normals = egg(number, 150 + number)
        np.save(folder / "points.npy", points.astype(np.float32))
        np.save(folder / "normals.npy", normals.astype(np.float32))
    return root
