"""Record a flow as a GIF; run as a child process: ``python -m nmf_app.widgets.animation FLOW OUT THEME``.

FLOW is an npz with ``vertices`` (T, V, 3), ``faces`` (F, 3), and perhaps ``colors`` (V, 3), the direction
towards a picture's ``viewer`` (3,), and the parts of a ``session.Drape`` with ``drape_`` before their names.
One fraction of the work is printed a line.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyvista as pv
from numpy.typing import NDArray
from PIL import Image

from nmf_app import resources
from nmf_app.session import Drape, Theme
from nmf_app.widgets.scene import Scene

SIZE = (480, 480)
FLOW_IMAGES = 48
TURN_IMAGES = 24
MILLISECONDS = 60
_DRAPE = "drape_"


def images(
    vertices: NDArray[np.float32],
    faces: NDArray[np.int64],
    theme: Theme,
    colors: NDArray[np.uint8] | None = None,
    viewer: NDArray[np.float64] | None = None,
    drape: Drape | None = None,
) -> Iterator[Image.Image]:
    """Yield the flow from sphere to object, then a full turn around the object."""
    plotter = pv.Plotter(off_screen=True, window_size=list(SIZE))
    scene = Scene(plotter)
    scene.set_colours(resources.palette(theme))
    scene.set_own_colors(faces, colors, drape)
    scene.look_from(viewer)
    for frame in _chosen(vertices):
        scene.set_mesh(vertices[frame], faces)
        yield _drawn(plotter)
    for _ in range(TURN_IMAGES):
        plotter.camera.Azimuth(360 / TURN_IMAGES)
        yield _drawn(plotter)
    plotter.close()


def _chosen(vertices: NDArray[np.float32]) -> NDArray[np.int64]:
    """Spread the images over the frames; few frames are not worth many images."""
    count = min(FLOW_IMAGES, 4 * len(vertices))
    return np.linspace(0, len(vertices) - 1, count).round().astype(np.int64)


def _drawn(plotter: pv.Plotter) -> Image.Image:
    plotter.render()  # a screenshot alone shows the frame before
    return Image.fromarray(np.asarray(plotter.screenshot(return_img=True)))


def record(flow: Path, target: Path, theme: Theme) -> None:
    """Write the GIF, printing the share of the images drawn."""
    with np.load(flow, allow_pickle=False) as data:
        vertices, faces = data["vertices"], data["faces"]
        colors, viewer = data.get("colors"), data.get("viewer")
        parts = {name.removeprefix(_DRAPE): data[name] for name in data if name.startswith(_DRAPE)}
        drape = Drape(**parts) if parts else None
    total = len(_chosen(vertices)) + TURN_IMAGES
    drawn: list[Image.Image] = []
    for image in images(vertices, faces, theme, colors, viewer, drape):
        drawn.append(image.quantize(128, dither=Image.Dither.NONE))
        print(len(drawn) / (total + 4), flush=True)  # noqa: T201  read by the parent
    drawn[0].save(target, save_all=True, append_images=drawn[1:], duration=MILLISECONDS, loop=0)


if __name__ == "__main__":
    record(Path(sys.argv[1]), Path(sys.argv[2]), Theme(sys.argv[3]))
