"""Normals in the files that hold some: what renderers shade by and slicers compare with the corners."""

from __future__ import annotations

import numpy as np
import pytest

from nmf_model.geometry.normals import vertex_normals
from nmf_model.geometry.template import icosphere
from nmf_model.io.meshes import write_mesh
from nmf_model.io.stl import HEADER_BYTES, RECORD
from nmf_model.repair import CloudColors
from nmf_model.texture import export_textured
from nmf_model.types import Mesh, Normalization, Reconstruction, Trajectory

FAR = np.array([448_262.1, 5_411_932.7, 311.3])
HALF = np.array([3.0, 2.0, 1.0])


def ellipsoid(level, middle=FAR):
    ball = icosphere(level)
    return Mesh(ball.vertices.astype(np.float64) * HALF + middle, ball.faces, ball.vertices)


def write_glb(path, mesh, *, textured):
    if not textured:
        write_mesh(mesh, path)
        return
    still = Trajectory(mesh.sphere[None], mesh.faces, np.zeros(1), np.zeros(1, np.int64))
    done = Reconstruction(mesh, still, Normalization(FAR, 3.0), mesh.vertices, "fit", 1.0, 1, 0)
    colors = CloudColors(mesh.vertices, (127.5 * (mesh.sphere + 1)).astype(np.uint8))
    export_textured(done, path, colors, chart_size=32)


def attributes(path):
    """Positions, normals and places on the sphere, as another reader finds them in the file itself."""
    gltf = pytest.importorskip("trimesh.exchange.gltf")
    with open(path, "rb") as stream:
        [part] = gltf.load_glb(stream)["geometry"].values()
    return np.asarray(part["vertices"]), part["vertex_normals"], part["vertex_attributes"]["_SPHERE"]


@pytest.mark.parametrize("textured", [False, True], ids=["plain", "textured"])
def test_glb_has_the_normals_of_the_surface_and_no_seams(tmp_path, textured):
    mesh, path = ellipsoid(4), tmp_path / "a.glb"
    write_glb(path, mesh, textured=textured)
    places, normals, sphere = attributes(path)
    assert (len(places) > len(mesh.vertices)) == textured
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1, atol=1e-6)
    true = sphere / HALF
    true /= np.linalg.norm(true, axis=1, keepdims=True)
    assert (normals * true).sum(axis=1).min() > 0.999
    _, vertex = np.unique(places, axis=0, return_inverse=True)
    first = np.full(vertex.max() + 1, -1)
    first[vertex[::-1]] = np.arange(len(vertex))[::-1]
    np.testing.assert_array_equal(normals, normals[first[vertex]])


def test_a_vertex_without_a_face_that_has_an_area_has_a_normal_all_the_same():
    vertices = np.array([[0, 0, 0], [1, 0, 0], [2, 0, 0], [9, 9, 9]], dtype=float)
    normals = vertex_normals(vertices, np.array([[0, 1, 2]]))
    np.testing.assert_array_equal(np.linalg.norm(normals, axis=1), 1)


def test_normals_of_stl_are_those_of_the_corners_in_the_file(tmp_path):
    # Half a metre apart in the north is one step of float32 there: rounding turns faces by many degrees.
    write_mesh(ellipsoid(2), tmp_path / "a.stl")
    records = np.fromfile(tmp_path / "a.stl", RECORD, offset=HEADER_BYTES)
    corners = records["corners"].astype(np.float64)
    vectors = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    lengths = np.linalg.norm(vectors, axis=1)
    assert (lengths > 0).sum() > 100
    kept = lengths > 0
    np.testing.assert_allclose(records["normal"][kept], vectors[kept] / lengths[kept, None], atol=1e-6)
