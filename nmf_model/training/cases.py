"""What is evaluated: for each object what a method was given, what it answered, and what is true."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from nmf_model import checkpoint
from nmf_model.errors import InputError, NmfError
from nmf_model.geometry.cameras import camera_rotation, turned
from nmf_model.model import NeuralMeshFlow
from nmf_model.threads import single_thread
from nmf_model.training.conditions import Condition, make_case, turned_target
from nmf_model.training.program import Program, ProgramAnswer
from nmf_model.training.reconstructing import (
    Frame,
    predicted_frame,
    reconstruct_cloud,
    reconstruct_picture,
)
from nmf_model.training.shapes import frame_of
from nmf_model.training.targets import Target, TargetName, Targets, open_targets
from nmf_model.training.views import ViewSet, open_views
from nmf_model.types import Mesh, Method

TILT = "tilt"
"""The measure of how far off an object seen on a picture is from standing upright, degrees."""


class MethodError(NmfError):
    """There is no usable mesh for one object, or it does not meet the condition; the others are evaluated."""


@dataclass(frozen=True)
class Plan:
    """Data and method.

    Attributes:
        data: packed sets or folders.
        split: the part of them.
        checkpoint: the model, None for meshes from files; with a ``method`` the program's weights, None for
            those that ship.
        views: renderings, for a model of pictures; None for one of clouds.
        condition: how clouds are made.
        device: of the model.
        merge: whether corners at exactly the same position are made one in meshes from files.
        test_time_steps: optimiser steps that correct the model's answers.
        method: of the whole program, whose answers are measured; None for the model's own.
        split_file: which objects of the folders belong to the part, instead of their own ``split.json``.
        frame: of meshes from files that were made of pictures: the object's, or the camera's of each view.
    """

    data: tuple[Path, ...]
    split: str
    checkpoint: Path | None = None
    views: Path | None = None
    condition: Condition = field(default_factory=Condition)
    device: str = "cpu"
    merge: bool = False
    test_time_steps: int = 0
    method: Method | None = None
    split_file: Path | None = None
    frame: Frame = "object"

    @property
    def targets(self) -> Targets:
        """The true surfaces, read once in each process.

        Raises:
            InputError: see ``Targets``.
        """
        return open_targets(self.data, self.split, self.split_file)


@dataclass(frozen=True)
class Item:
    """One thing to evaluate.

    Attributes:
        index: of the object in its part of the data.
        view: which of its renderings is the input; None for a cloud, or a mesh of one.
        mesh: file of the mesh, if the method is not run here.
    """

    index: int
    view: int | None = None
    mesh: Path | None = None


@dataclass(frozen=True)
class Answered:
    """An answer beside the truth.

    Attributes:
        mesh: the answer.
        target: the truth, in the same frame.
        seen: (N, 3) float64 cloud or (H, W, 4) uint8 picture that the method was given; None if unknown.
        facts: what else is known of how the answer was found.
    """

    mesh: Mesh
    target: Target
    seen: NDArray[np.float64] | NDArray[np.uint8] | None
    facts: Mapping[str, Any] = field(default_factory=dict)


def name_of(plan: Plan, item: Item) -> TargetName:
    """Return what the object is called."""
    return plan.targets.names[item.index]


def renderings(plan: Plan) -> ViewSet:
    """Return the pictures of the plan's objects.

    Raises:
        InputError: the plan names none, or they are missing or damaged.
    """
    if plan.views is None:
        raise InputError("Name the renderings with --img_path FOLDER or --views FILE.")
    return open_views(plan.views, tuple(name.id for name in plan.targets.names))


def answer(plan: Plan, item: Item) -> Answered:
    """Run the method on one object, or read its mesh.

    Raises:
        InputError: the data is missing or damaged.
        MethodError: the method has no usable answer, or the object too few points for the condition.
    """
    with single_thread(plan.device):
        return _answer(plan, item)


def _answer(plan: Plan, item: Item) -> Answered:
    targets = plan.targets
    name, target = targets.names[item.index], targets.read(item.index)
    if plan.checkpoint is None and plan.method is None:
        return _answer_of_file(plan, item, name, target)
    if item.view is not None:
        return _answer_picture(plan, item, name, target)
    if plan.condition.exact and len(target.points) < plan.condition.input_points:
        raise MethodError(f"the data has only {len(target.points):,} points of it")
    case = make_case(target, plan.condition, name.id)
    try:
        if plan.method is not None:
            found = _program(plan).answer_cloud(case.cloud, name.id)
            return Answered(found.mesh, case.target, case.cloud, found.facts)
        model = _model_of(plan)
        mesh = reconstruct_cloud(model, case.cloud, test_time_steps=plan.test_time_steps)
        return Answered(mesh, case.target, case.cloud)
    except NmfError as error:
        raise MethodError(str(error)) from error


def _answer_of_file(plan: Plan, item: Item, name: TargetName, target: Target) -> Answered:
    """Return a mesh as ``generate`` writes it: in the data's units, and in the plan's frame."""
    mesh = _read_mesh(item.mesh, merge=plan.merge)
    if item.view is None:
        return Answered(mesh, target, None)
    views = renderings(plan)
    if plan.frame == "camera":
        target = turned_target(target, camera_rotation(*views.camera(name.id, item.view)))
    return Answered(mesh, target, views.picture(name.id, item.view))


def check_usable(plan: Plan) -> None:
    """Raise InputError or CheckpointError if the plan's model, or the program's, cannot be used."""
    if plan.method is not None:
        _program(plan).check(of_pictures=plan.views is not None)
    elif plan.checkpoint is not None:
        open_model(plan.checkpoint, plan.device)


def _program(plan: Plan) -> Program:
    assert plan.method is not None
    return Program(plan.method, plan.checkpoint, "cuda" if plan.device == "cuda" else "cpu")


def _model_of(plan: Plan) -> NeuralMeshFlow:
    assert plan.checkpoint is not None
    return open_model(plan.checkpoint, plan.device)


@functools.lru_cache(maxsize=1)
def open_model(path: Path, device: str) -> NeuralMeshFlow:
    """Return the model, loaded once in each process."""
    return checkpoint.load(path, device)


def _answer_picture(plan: Plan, item: Item, name: TargetName, target: Target) -> Answered:
    """Reconstruct from one rendering, with the target turned into the frame of the prediction."""
    assert item.view is not None
    views = renderings(plan)
    picture = views.picture(name.id, item.view)
    try:
        answer = _seen_on(plan, picture, name.id)
    except NmfError as error:
        raise MethodError(str(error)) from error
    mesh = answer.mesh
    if answer.frame == "camera":
        rotation = camera_rotation(*views.camera(name.id, item.view))
        target = turned_target(target, rotation)
        seen = replace(mesh, vertices=turned(mesh.vertices, answer.view))
        mesh = placed_by_outline(seen, target.points)
        facts = {**answer.facts, TILT: _degrees(answer.view[:, 1], rotation[:, 1])}
        return Answered(mesh, target, picture, facts)
    # The picture branch learns points about their mean, in units of the box-centred radius.
    _, radius = frame_of(torch.from_numpy(target.points)[None])
    placed = mesh.vertices * float(radius) + target.points.mean(axis=0)
    return Answered(Mesh(placed, mesh.faces, mesh.sphere), target, picture, answer.facts)


def _seen_on(plan: Plan, picture: NDArray[np.uint8], name: str) -> ProgramAnswer:
    """Return what the program, or a model alone, makes of a picture."""
    if plan.method is not None:
        return _program(plan).answer_picture(picture, name)
    assert plan.checkpoint is not None
    model = _model_of(plan)
    mesh, view = reconstruct_picture(model, picture, test_time_steps=plan.test_time_steps)
    return ProgramAnswer(mesh, predicted_frame(plan.checkpoint, model), view, {})


def _degrees(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Return the angle between two unit vectors."""
    return math.degrees(math.atan2(float(np.linalg.norm(np.cross(one, other))), float(one @ other)))


def placed_by_outline(mesh: Mesh, points: NDArray[np.float64]) -> Mesh:
    """Give a mesh the size and place of the points: the same box seen from the front, as deep in the mean.

    A picture does not tell how large an object is or how far away: both are given here.
    """
    low, high = mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)
    wanted_low, wanted_high = points.min(axis=0), points.max(axis=0)
    scale = (wanted_high - wanted_low)[:2].max() / max(float((high - low)[:2].max()), 1e-12)
    moved = (mesh.vertices - (low + high) / 2) * scale + (wanted_low + wanted_high) / 2
    moved[:, 2] += points[:, 2].mean() - moved[:, 2].mean()
    return Mesh(moved, mesh.faces, mesh.sphere)


def _read_mesh(path: Path | None, *, merge: bool) -> Mesh:
    from nmf_model.io.meshes import read_mesh

    if path is None:
        raise MethodError("there is no mesh of this name")
    try:
        mesh = read_mesh(path)
    except InputError as error:
        raise MethodError(str(error)) from error
    if not np.isfinite(mesh.vertices).all():
        raise MethodError(f"{path.name} has coordinates that are not finite.")
    return merged(mesh) if merge else mesh


def merged(mesh: Mesh) -> Mesh:
    """Make vertices at exactly the same position one; faces keep their order, even if they collapse."""
    vertices, index = np.unique(mesh.vertices, axis=0, return_inverse=True)
    return Mesh(vertices, index.reshape(-1)[mesh.faces])
