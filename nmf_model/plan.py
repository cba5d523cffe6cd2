"""Which way a request goes: what cloud is reconstructed, and whether by the network, by a fit, or by both."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from nmf_model.encoders.drawings import why_drawn
from nmf_model.encoders.looks import TooThin
from nmf_model.encoders.pictures import place_cut_out
from nmf_model.errors import InputError
from nmf_model.familiarity import Familiarity, apart, misfit
from nmf_model.flow.carrier import MovingCarrier, TurnedCarrier
from nmf_model.geometry.cameras import turned
from nmf_model.geometry.normalization import normalize
from nmf_model.methods import check_method
from nmf_model.model import NeuralMeshFlow
from nmf_model.network import predict_cloud, predict_flow
from nmf_model.types import (
    Carrier,
    Coloring,
    Normalization,
    PointCloud,
    ReconstructionRequest,
    ShapeImage,
)
from nmf_model.weights import load_weights, shipped_path

NEAR = 0.0025
"""chamfer_l2, beyond that of the points' own spacing, up to which a network's answer is a better start for a
fit than a small sphere: films across openings, which a fit cannot tear, show as more."""
NEAR_OUTLINE = 0.8
"""Share of a mask's outline and of a network's answer to it, inflated, that must be common (intersection over
union) for a fit to go on from there. Chosen on the pictures of ``tests/benchmarks``."""
SMALL = 48
"""Pixels of an object's longer side below which the network, shown it enlarged, sees a blur."""
_IS_DRAWN = "The object has {} and no shading, so only its outline tells its shape"
_IS_THIN = "The object is too thin for the network to see it"
_IS_UNFAMILIAR = "This picture is unlike what the model knows"
_MISSES = "The network's outline is not the picture's; check thin parts and openings"
_INSTEAD = "showing the inflated outline instead"


@dataclass(frozen=True)
class Plan:
    """What is to be done.

    Attributes:
        cloud: the points to reconstruct, in file units.
        method: of the result, unless a fit follows the network.
        model: the network that is to answer first; None for none.
        fits: whether a fit follows, or is all there is.
        is_picture: whether the cloud was made of a picture.
        notes: sentences for the user so far.
        answer: what the network answered, if it was asked already: the flow, in the frame of
            ``normalization``, and how many stray points it was not shown.
        mask: (H, W), whose box the result is to have as its viewer sees it; None for no such wish.
        view: (3, 3), the rotation from the cloud's frame to that of a picture's viewer; the identity where
            they are the same, or not known.
        coloring: the colours of a picture, in the cloud's frame; None where they cannot be told.
    """

    cloud: PointCloud
    method: str
    model: NeuralMeshFlow | None
    fits: bool
    is_picture: bool
    notes: tuple[str, ...]
    answer: tuple[MovingCarrier, int] | None = None
    mask: NDArray[np.bool_] | None = None
    view: NDArray[np.float64] = field(default_factory=lambda: np.eye(3))
    coloring: Coloring | None = None

    @functools.cached_property
    def seen_normalization(self) -> Normalization:
        """From unit-sphere units to the frame of the viewer, where a picture's flow is found."""
        return normalize(turned(self.cloud.points, self.view))

    @property
    def normalization(self) -> Normalization:
        """From unit-sphere units to the cloud's frame: those of the viewer's frame, turned."""
        seen = self.seen_normalization
        return Normalization(turned(seen.offset[None], self.view.T)[0], seen.scale)


def make_plan(request: ReconstructionRequest, device: torch.device) -> Plan:
    """Decide; for a picture this finds its object and asks the network.

    Raises:
        InputError: if source, method and weights do not go together, or the picture shows no object.
        CheckpointError: if the weights cannot be used.
    """
    if isinstance(request.source, ShapeImage):
        return _plan_picture(request.source, request, device)
    return _plan_cloud(request.source, request)


def is_near(carrier: Carrier, points: NDArray[np.float32]) -> bool:
    """Return whether a flow carries the sphere near enough to a cloud (N, 3) to start a fit from."""
    spacing = np.asarray(cKDTree(points).query(points, k=2)[0])[:, 1]
    # Between random points of a surface, the mean squared distance to the nearest is 4/π of the squared mean
    # distance of the points among themselves.
    unavoidable = 4 / np.pi * float(spacing.mean()) ** 2
    return misfit(carrier, points) - unavoidable <= NEAR


def _plan_cloud(cloud: PointCloud, request: ReconstructionRequest) -> Plan:
    check_method(request.method, cloud.name, is_picture=False)
    asked = request.method == "network" or request.weights is not None
    available = asked or shipped_path("ae") is not None
    model = load_weights("ae", request.weights) if request.method != "fit" and available else None
    only_network = request.method == "network"
    method = "network" if only_network else "fit"
    return Plan(cloud, method, model, not only_network, False, cloud.notes)


def _plan_picture(image: ShapeImage, request: ReconstructionRequest, device: torch.device) -> Plan:
    check_method(request.method, image.name, is_picture=True)
    found = _with_mask(image)
    asked = request.method == "network" or request.weights is not None
    if request.method == "silhouette" or not (asked or shipped_path("svr") is not None):
        return _silhouette(found, device, request.seed)
    assert found.mask is not None
    why = why_drawn(found.rgba, found.mask)
    drawn = _IS_DRAWN.format(why) if why else ""
    if request.method == "auto" and drawn:
        return _silhouette(found, device, request.seed, f"{drawn}; {_INSTEAD}.")
    model = load_weights("svr", request.weights)
    try:
        plan, familiarity = _look(model, found, device, request.seed)
    except TooThin:
        if request.method != "auto":
            raise
        return _silhouette(found, device, request.seed, f"{_IS_THIN}; {_INSTEAD}.")
    if request.method == "auto" and not familiarity.is_familiar:
        return _silhouette(found, device, request.seed, f"{_IS_UNFAMILIAR}; {_INSTEAD}.")
    notes = (*found.notes, *_smallness(found.mask), *_doubts(drawn, familiarity))
    return replace(plan, notes=notes)


def _doubts(drawn: str, familiarity: Familiarity) -> tuple[str, ...]:
    """Return what the user must know of a network's answer; ``drawn`` says so of a drawing."""
    strange = drawn or ("" if familiarity.is_familiar else _IS_UNFAMILIAR)
    if strange:
        return (f"{strange}; do not trust its far side.",)
    return () if familiarity.meets_outline else (f"{_MISSES}.",)


def _smallness(mask: NDArray[np.bool_]) -> tuple[str, ...]:
    longer = round(2 * place_cut_out(mask, margin=1).half)
    if longer >= SMALL:
        return ()
    return (f"The object is only {longer} pixels large; a larger picture tells more of its shape.",)


def _colors_of(image: ShapeImage, view: NDArray[np.float64], *, in_perspective: bool) -> Coloring:
    from nmf_model.silhouette.colors import PictureColors

    return PictureColors.of(image, view, in_perspective=in_perspective)


def _silhouette(image: ShapeImage, device: torch.device, seed: int, note: str = "") -> Plan:
    from nmf_model.silhouette import inflate

    assert image.mask is not None
    cloud = inflate(image.mask, seed=seed)
    notes = (*image.notes, *cloud.notes, *([note] if note else []))
    named = replace(cloud, name=image.name, path=image.path)
    coloring = _colors_of(image, np.eye(3), in_perspective=False)
    plan = Plan(named, "silhouette", None, True, True, notes, coloring=coloring)
    return replace(plan, answer=_start_of(plan, image.mask, device, seed))


def _start_of(
    plan: Plan, mask: NDArray[np.bool_], device: torch.device, seed: int
) -> tuple[MovingCarrier, int] | None:
    """Return what the network answers for an inflated mask, if it has nearly its outline.

    A fit that goes on from there is as good as one from a small sphere, in half the time; but thin parts that
    the answer lacks, as fingers, would stay short.
    """
    if shipped_path("ae") is None:
        return None
    from nmf_model.silhouette.outline import outline_iou
    from nmf_model.silhouette.viewing import surface_of

    points = plan.normalization.to_unit(plan.cloud.points)
    carrier, strays = predict_flow(load_weights("ae", None), points, device=device, seed=seed)
    met = outline_iou(surface_of(carrier, plan.normalization), mask)
    return (carrier, strays) if met >= NEAR_OUTLINE else None


def _with_mask(image: ShapeImage) -> ShapeImage:
    from nmf_model.silhouette import find_mask
    from nmf_model.silhouette.mask_clean import clean

    found = image if image.mask is not None else find_mask(image)
    solid = None if found.mask is None else clean(found.mask)[0]
    if solid is None or not solid.any():
        raise InputError(f"No object was found on {image.name}.")
    return replace(found, mask=solid)


def _look(
    model: NeuralMeshFlow, image: ShapeImage, device: torch.device, seed: int
) -> tuple[Plan, Familiarity]:
    """Look at a picture; return what to do with what the network makes of it, and how familiar all that is.

    The network answers in the viewer's frame, as it learnt; from here on its answer stands upright.
    """
    predicted = predict_cloud(model.to(device), image)
    normalization = normalize(predicted.together)
    plain = normalization.to_unit(predicted.points)
    carrier, strays = predict_flow(model, plain, device=device, seed=seed)
    far = misfit(carrier, plain)
    view = predicted.view
    if view is None:
        cloud = PointCloud(predicted.together, image.name, image.path)
        plan = Plan(cloud, "network", None, False, True, (), (carrier, strays))
        return plan, Familiarity(None, far)
    plan = Plan(
        PointCloud(turned(predicted.together, view.T), image.name, image.path),
        "network",
        None,
        fits=False,
        is_picture=True,
        notes=(),
        answer=(TurnedCarrier(carrier, view), strays),
        mask=image.mask,
        view=view,
        coloring=_colors_of(image, view, in_perspective=True),
    )
    return plan, _familiarity(plan, carrier, far, seed)


def _familiarity(plan: Plan, carrier: MovingCarrier, far: float, seed: int) -> Familiarity:
    """Compare an answer, in the viewer's frame, with the picture's outline, and what that is inflated to."""
    from nmf_model.silhouette import inflate
    from nmf_model.silhouette.outline import outline_iou
    from nmf_model.silhouette.viewing import as_seen, placed_on_mask, surface_of

    assert plan.mask is not None
    on_mask = placed_on_mask(carrier, plan.seen_normalization, plan.mask)
    surface = surface_of(on_mask, plan.seen_normalization)
    met = Familiarity(outline_iou(as_seen(surface), plan.mask), far)
    if met.meets_outline:
        return met
    return replace(met, apart=apart(surface, inflate(plan.mask, seed=seed).points))


def placed(plan: Plan, carrier: MovingCarrier) -> MovingCarrier:
    """Turn a picture's flow, in the viewer's frame, upright, and give it the place that the picture tells."""
    if plan.mask is None:
        return carrier
    from nmf_model.silhouette.viewing import placed_on_mask

    return TurnedCarrier(placed_on_mask(carrier, plan.seen_normalization, plan.mask), plan.view)
