"""The trained network on clouds and pictures, with the weights that ship and with a user's own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from nmf_model import checkpoint, reconstruct
from nmf_model.config import EncoderConfig, FlowConfig, ImageEncoderConfig, ModelConfig, SolverConfig
from nmf_model.errors import InputError
from nmf_model.familiarity import Familiarity, misfit
from nmf_model.flow.carrier import PlacedCarrier, TurnedCarrier
from nmf_model.geometry.cameras import turned
from nmf_model.geometry.normalization import normalize
from nmf_model.geometry.template import icosphere
from nmf_model.io.images import read_image
from nmf_model.io.source import read_source
from nmf_model.metrics import chamfer_l2
from nmf_model.model import NeuralMeshFlow
from nmf_model.network import predict_cloud, predict_flow
from nmf_model.plan import make_plan
from nmf_model.quality import inspect_mesh
from nmf_model.silhouette.outline import outline_iou
from nmf_model.silhouette.viewing import as_seen
from nmf_model.types import FlowFrame, Mesh, PointCloud, ReconstructionRequest, ShapeImage
from nmf_model.weights import load_weights, shipped_path

EXAMPLES = Path(__file__).parents[1] / "resources" / "examples"
PICTURES = Path(__file__).parent / "benchmarks" / "pictures"
CPU = torch.device("cpu")


def seen_by_viewer(result) -> Mesh:
    return Mesh(turned(result.mesh.vertices, result.view), result.mesh.faces)


def example(name: str):
    return read_source(EXAMPLES / name)


@pytest.fixture(scope="module")
def published(tmp_path_factory) -> Path:
    """A small model of the published kind with random weights that move the sphere."""
    torch.manual_seed(3)
    model = NeuralMeshFlow(
        ModelConfig(
            encoder=EncoderConfig(channels=(16, 16), head=(16,)),
            flow=FlowConfig(width=32, latent_size=24, blocks=3),
            solver=SolverConfig(method="rk4", steps=2),
        )
    )
    path = tmp_path_factory.mktemp("weights") / "own.safetensors"
    checkpoint.save(path, model)
    return path


@pytest.mark.parametrize("kind", ["ae", "svr"])
def test_weights_ship_with_their_origin_in_the_header(kind):
    path = shipped_path(kind)
    assert path is not None
    header = checkpoint.read_header(path)
    assert {"data", "steps", "training"} <= set(header.provenance)
    assert header.storage == "float16"
    assert (header.config.image is not None) == (kind == "svr")


def test_weights_fit_into_what_a_checkout_may_weigh():
    sizes = [path.stat().st_size for kind in ("ae", "svr") if (path := shipped_path(kind))]
    assert len(sizes) == 2
    assert sum(sizes) <= 28e6


@pytest.mark.parametrize("placed", [(1.0, 0.0), (1200.0, 5e5)], ids=["as given", "large and far away"])
def test_a_cloud_becomes_a_sound_mesh_in_its_own_coordinates(placed):
    scale, offset = placed
    cloud = example("chair.ply")
    points = cloud.points * scale + offset
    result = reconstruct.run(ReconstructionRequest(PointCloud(points), method="network"))
    assert result.method == "network"
    report = inspect_mesh(result.mesh)
    assert report.is_sound
    last = result.normalization.to_file(result.trajectory.vertices[-1])
    assert np.array_equal(last, result.mesh.vertices)
    radius = result.normalization.scale
    assert chamfer_l2(result.mesh.vertices / radius, points / radius) < 0.02


def test_what_the_network_answers_is_corrected_with_the_very_points():
    """The mesh is nearer to them than the network's own, and the steps are shown as such."""
    cloud = example("chair.ply")
    unit = normalize(cloud.points).to_unit(cloud.points)
    alone = misfit(predict_flow(load_weights("ae"), unit)[0], unit)
    frames: list[FlowFrame] = []
    request = ReconstructionRequest(PointCloud(cloud.points), method="network", level=3)
    result = reconstruct.run(request, on_frame=frames.append)
    assert misfit(result.carrier, unit) < 0.7 * alone
    shown = [frame for frame in frames if frame.stage == "Correcting"]
    assert len(shown) >= 5
    assert not np.array_equal(shown[0].vertices, shown[-1].vertices)
    assert np.all(np.diff([frame.fraction for frame in frames]) >= 0)
    again = reconstruct.run(request)
    assert np.array_equal(result.mesh.vertices, again.mesh.vertices)


def test_the_network_does_not_care_how_many_points_or_in_what_order():
    points = example("chair.ply").points[:3000]
    unit = ((points - points.mean(0)) / np.abs(points - points.mean(0)).max()).astype(np.float32)
    model, sphere = load_weights("ae"), icosphere(3).vertices
    whole = predict_flow(model, unit)[0].carry(sphere)
    shuffled = predict_flow(model, unit[::-1].copy())[0].carry(sphere)
    assert np.allclose(whole, shuffled, atol=1e-4)
    half = predict_flow(model, unit[::2].copy())[0].carry(sphere)
    assert np.linalg.norm(half - whole, axis=1).mean() < 0.06


def test_a_picture_becomes_a_mesh_with_the_picture_s_outline():
    image = reconstruct_mask(example("wood_toy.png"))
    result = reconstruct.run(ReconstructionRequest(image, method="network"))
    assert result.method == "network"
    assert inspect_mesh(result.mesh).is_closed_sphere
    assert outline_iou(as_seen(seen_by_viewer(result)), image.mask) > 0.85


def test_a_picture_passes_the_network_once_and_is_corrected_with_what_it_saw(monkeypatch):
    asked, judged = [], []

    def counted(*args, **options):
        asked.append(args)
        return predict_flow(*args, **options)

    def compared(mesh, mask):
        judged.append(outline_iou(mesh, mask))
        return judged[-1]

    for module in ("plan", "found_flow"):
        monkeypatch.setattr(f"nmf_model.{module}.predict_flow", counted)
    monkeypatch.setattr("nmf_model.silhouette.outline.outline_iou", compared)
    image = reconstruct_mask(example("wood_toy.png"))
    frames: list[FlowFrame] = []
    request = ReconstructionRequest(image, method="network", level=4)
    result = reconstruct.run(request, on_frame=frames.append)
    assert (len(asked), len(judged)) == (1, 1)
    assert sum(frame.stage == "Correcting" for frame in frames) >= 5
    # What was judged is the bare answer; corrected, it fills the outline better, and follows the points.
    seen = as_seen(seen_by_viewer(result))
    assert outline_iou(seen, image.mask) > judged[0] + 0.02
    plan = make_plan(request, CPU)
    unit = plan.normalization.to_unit(plan.cloud.points)
    seen_upright = result.carrier.inner  # of a sphere that faces as the shape does
    assert isinstance(seen_upright, TurnedCarrier)
    assert isinstance(seen_upright.inner, PlacedCarrier)  # on the mask, a little beside the points
    seen_points = turned(unit, plan.view)
    assert misfit(seen_upright.inner.inner, seen_points) < 0.75 * misfit(plan.answer[0].inner, seen_points)
    rows, columns = np.nonzero(image.mask)
    box = np.array([np.ptp(columns) + 1, np.ptp(rows) + 1])
    sides = np.ptp(seen.vertices[:, :2], axis=0)
    assert sides == pytest.approx(2 * box / box.max(), rel=0.02)
    first, last = result.trajectory.vertices[[0, -1]]
    radii = np.linalg.norm(first - first.mean(axis=0), axis=1)
    assert np.ptp(radii) / radii.mean() < 0.05, "it still begins at a sphere"
    assert np.abs(result.normalization.to_file(last) - result.mesh.vertices).max() < 1e-9


def test_predicted_points_lie_within_the_outline():
    image = reconstruct_mask(example("wood_toy.png"))
    predicted = predict_cloud(load_weights("svr"), image)
    for points in (predicted.points, predicted.together):
        assert np.isfinite(points).all()
        assert np.abs(points[:, :2]).max() < 1.6
    assert len(predicted.together) > 4 * len(predicted.points)


def reconstruct_mask(image):
    from nmf_model.silhouette import find_mask

    return find_mask(image)


def test_an_unfamiliar_picture_falls_back_to_the_outline_and_says_so(monkeypatch):
    monkeypatch.setattr("nmf_model.familiarity.FAMILIAR_OUTLINE", 1.01)
    image = reconstruct_mask(example("wood_toy.png"))
    plan = make_plan(ReconstructionRequest(image), CPU)
    assert plan.method == "silhouette"
    assert any("unlike what the model knows" in note for note in plan.notes)
    asked = make_plan(ReconstructionRequest(image, method="network"), CPU)
    assert asked.method == "network"
    assert any("unlike what the model knows" in note for note in asked.notes)


@pytest.mark.parametrize(
    ("outline", "misfit", "apart", "believed"),
    [
        (0.9, 0.005, None, True),
        (0.9, 0.03, None, False),
        (None, 0.005, None, True),
        (0.6, 0.005, 0.09, True),
        (0.6, 0.03, 0.09, False),
        (0.6, 0.005, 0.02, False),
    ],
)
def test_the_inflated_outline_is_preferred_where_the_network_misses_it_and_sees_nearly_it(
    outline, misfit, apart, believed
):
    assert Familiarity(outline, misfit, apart).is_familiar is believed


def test_furniture_seen_aslant_stays_with_the_network_though_thin_parts_miss_the_outline():
    picture = Path(__file__).parent / "benchmarks" / "pictures" / "biplane.webp"
    plan = make_plan(ReconstructionRequest(reconstruct_mask(read_image(picture))), CPU)
    assert plan.method == "network"
    assert sum("check thin parts" in note for note in plan.notes) == 1
    assert not any("unlike what the model knows" in note for note in plan.notes)


def test_an_animal_seen_from_the_side_has_the_inflated_outline():
    plan = make_plan(ReconstructionRequest(reconstruct_mask(example("hen_on_meadow.jpg"))), CPU)
    assert plan.method == "silhouette"
    assert sum("unlike what the model knows" in note for note in plan.notes) == 1


def test_what_is_too_thin_for_the_network_is_inflated_and_that_is_said():
    rows, columns = np.mgrid[:600, :600]
    mask = ((rows == columns) | (rows == columns + 1)) & (rows > 20) & (rows < 580)
    rgba = np.zeros((600, 600, 4), dtype=np.uint8)
    rgba[mask] = (200, 120, 30, 255)
    rgba[..., 0] = np.where(mask, rows // 3, 0)  # or it were a drawing
    image = ShapeImage(rgba, has_alpha=True, mask=mask)
    plan = make_plan(ReconstructionRequest(image), CPU)
    assert plan.method == "silhouette"
    assert any("too thin for the network" in note for note in plan.notes)
    with pytest.raises(InputError, match="too thin"):
        make_plan(ReconstructionRequest(image, method="network"), CPU)


@pytest.mark.parametrize(("name", "starts"), [("armchair.webp", True), ("hand.jpg", False)])
def test_the_fit_of_an_outline_goes_on_from_the_network_where_that_has_nearly_the_outline(name, starts):
    image = reconstruct_mask(read_image(PICTURES / name))
    plan = make_plan(ReconstructionRequest(image, method="silhouette"), CPU)
    assert (plan.method, plan.fits, plan.model) == ("silhouette", True, None)
    assert (plan.answer is not None) is starts, "the fingers of the hand are missing"
    if starts:
        frames = reconstruct.stream(ReconstructionRequest(image, method="silhouette"))
        first = next(frames)
        frames.close()
        assert first.stage == "Network"
        assert np.array_equal(first.viewer, [0, 0, 1])
        assert len(first.points) > 1_000


def test_of_a_mask_of_one_s_own_the_largest_part_is_the_object():
    """As of one that was found: cloud, colours and outline then lie in one frame."""
    rows, columns = np.mgrid[:120, :200]
    rgba = np.full((120, 200, 4), 255, dtype=np.uint8)
    rgba[..., :3] = (columns + rows)[..., None] % 200
    body = (np.abs(rows - 60) < 40) & (np.abs(columns - 70) < 45)
    plain = make_plan(ReconstructionRequest(ShapeImage(rgba, mask=body), method="network"), CPU)
    speck = body | ((rows > 110) & (columns > 190))
    specked = make_plan(ReconstructionRequest(ShapeImage(rgba, mask=speck), method="network"), CPU)
    assert np.array_equal(specked.mask, body)
    assert np.array_equal(specked.cloud.points, plain.cloud.points)


def test_a_drawing_of_one_colour_is_inflated_as_its_colours_tell_no_shape():
    rows, columns = np.mgrid[:160, :200]
    disc = np.hypot(rows - 80, columns - 100) < 55
    rng = np.random.default_rng(0)
    rgba = np.full((160, 200, 4), 255, dtype=np.uint8)
    rgba[disc, :3] = np.array([200, 30, 30]) + rng.integers(-4, 5, (int(disc.sum()), 3))
    plan = make_plan(ReconstructionRequest(reconstruct_mask(ShapeImage(rgba.copy(), name="disc.png"))), CPU)
    assert plan.method == "silhouette"
    assert any("one colour and no shading" in note for note in plan.notes)
    # The same ball, lit from above: now its colours tell a shape.
    height = np.sqrt(np.clip(1 - np.hypot(rows - 80, columns - 100) ** 2 / 55**2, 0, 1))
    rgba[..., :3] = np.where(disc[..., None], (0.3 + 0.7 * height)[..., None] * [200, 30, 30], 255)
    lit = make_plan(ReconstructionRequest(reconstruct_mask(ShapeImage(rgba, name="ball.png"))), CPU)
    assert not any("one colour" in note for note in lit.notes)


def test_a_drawing_of_several_colours_is_inflated_too_and_doubted_if_the_network_is_asked_for():
    rows, columns = np.mgrid[:160, :200]
    away = np.hypot(rows - 80, columns - 100)
    rgba = np.full((160, 200, 4), 255, dtype=np.uint8)
    rgba[away < 55, :3] = [200, 30, 30]
    rgba[away < 30, :3] = [30, 60, 200]
    image = reconstruct_mask(ShapeImage(rgba, name="logo.png"))
    plan = make_plan(ReconstructionRequest(image), CPU)
    assert plan.method == "silhouette"
    assert any("few flat colours and no shading" in note for note in plan.notes)
    asked = make_plan(ReconstructionRequest(image, method="network"), CPU)
    assert asked.method == "network"
    assert any("few flat colours" in note and "far side" in note for note in asked.notes)


def test_frames_of_a_picture_carry_the_predicted_points():
    image = reconstruct_mask(example("wood_toy.png"))
    frames = reconstruct.stream(ReconstructionRequest(image, method="network", level=2))
    shown = [frame for frame in frames if frame.stage == "Network"]
    assert len(shown) > 10
    assert all(frame.points is shown[0].points for frame in shown)
    assert len(shown[0].points) > 500


def test_own_weights_of_the_published_kind_work(published):
    cloud = example("chair.ply")
    result = reconstruct.run(
        ReconstructionRequest(PointCloud(cloud.points), method="network", weights=published, level=3)
    )
    assert result.method == "network"
    assert inspect_mesh(result.mesh).is_closed_sphere


def test_no_smoothing_is_told_of_an_answer_that_nothing_smooths(published):
    points, noise = np.random.default_rng(0).normal(size=(2, 3_000, 3))
    noisy = points / np.linalg.norm(points, axis=1, keepdims=True) + 0.04 * noise

    def told(weights):
        request = ReconstructionRequest(PointCloud(noisy), method="network", weights=weights, level=2)
        return [note for note in reconstruct.run(request).notes if "smoothed" in note]

    assert told(published) == []
    assert len(told(None)) == 1


def test_the_published_flow_as_a_map_is_the_network_itself(published):
    model = checkpoint.load(published).eval()
    code = model.encode(torch.rand(1, 200, 3))
    template = icosphere(4)
    carrier = model.flow.carrier(code)
    solver = SolverConfig(method="midpoint", steps=8)
    with torch.no_grad():
        wanted = model.flow(torch.tensor(template.vertices), code, solver).vertices[-1][0].numpy()
    assert np.allclose(carrier.carry(template.vertices, steps=8), wanted, atol=1e-5)
    assert np.allclose(carrier.carry(template.vertices, until=0.0), template.vertices, atol=1e-6)
    for share in (0.1, 1 / 3, 0.45, 0.9):  # within blocks and between them, as a solid is carried
        part = carrier.carry(template.vertices, until=share, steps=32)
        assert np.allclose(carrier.carry(part, since=share, steps=32), wanted, atol=1e-4)
    moments = list(carrier.moments(template.vertices, 7))
    assert np.allclose(moments[-1].vertices, wanted, atol=1e-5)
    assert np.allclose(moments[0].vertices, template.vertices, atol=1e-6)


def test_weights_for_clouds_are_refused_for_pictures(published):
    image = reconstruct_mask(example("wood_toy.png"))
    with pytest.raises(InputError, match="not trained on pictures"):
        reconstruct.run(ReconstructionRequest(image, method="network", weights=published))


def test_a_published_picture_branch_answers_in_the_object_s_frame(tmp_path):
    torch.manual_seed(0)
    branch = ImageEncoderConfig(features=8, hidden=(8,), points=64, width=8)
    model = NeuralMeshFlow(
        ModelConfig(
            encoder=EncoderConfig(channels=(8, 8), head=(8,)),
            flow=FlowConfig(width=16, latent_size=8),
            solver=SolverConfig(method="midpoint", steps=2),
            image=branch,
        )
    ).eval()
    predicted = predict_cloud(model, reconstruct_mask(example("wood_toy.png")))
    assert predicted.view is None
    assert predicted.points.shape == (64, 3)


def test_a_model_without_weights_says_what_to_do(monkeypatch):
    monkeypatch.setattr("nmf_model.weights.shipped_path", lambda kind: None)
    with pytest.raises(InputError, match="--weights"):
        load_weights("ae")


def test_too_few_points_are_refused():
    with pytest.raises(InputError, match="at least 50"):
        predict_flow(load_weights("ae"), np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32))


def test_a_small_picture_is_told_to_tell_little():
    image = example("wood_toy.png")
    height, width = image.rgba.shape[:2]
    step = max(height, width) // 40
    small = ShapeImage(np.ascontiguousarray(image.rgba[::step, ::step]), has_alpha=image.has_alpha)
    told = [
        make_plan(ReconstructionRequest(picture, method="network"), CPU).notes for picture in (image, small)
    ]
    assert [sum("pixels large; a larger picture" in note for note in notes) for notes in told] == [0, 1]


def test_a_picture_is_answered_as_its_viewer_sees_it_and_then_turned_upright():
    image = reconstruct_mask(example("wood_toy.png"))
    model = load_weights("svr")
    predicted = predict_cloud(model, image)
    plan = make_plan(ReconstructionRequest(image, method="network"), CPU)
    assert np.degrees(np.arccos(plan.view[1, 1])) > 2, "cameras look down, and the network says so"
    np.testing.assert_allclose(turned(plan.cloud.points, plan.view), predicted.together, atol=1e-12)
    frame = normalize(predicted.together)
    unit = frame.to_unit(predicted.points)
    sphere = icosphere(3).vertices
    seen = frame.to_file(predict_flow(model, unit)[0].carry(turned(sphere, plan.view).astype(np.float32)))
    upright = plan.normalization.to_file(plan.answer[0].carry(sphere))
    np.testing.assert_allclose(turned(upright, plan.view), seen, atol=1e-4)
