"""Which methods go with which inputs. Imports nothing that takes long."""

from __future__ import annotations

from nmf_model.errors import InputError
from nmf_model.types import Method


def check_method(method: Method, name: str, *, is_picture: bool) -> None:
    """Raise InputError if a method is not for a picture, or not for a cloud, of this name."""
    if method == "silhouette" and not is_picture:
        raise InputError(f"{name} is a point cloud; the method 'silhouette' needs a picture.")
    if method == "fit" and is_picture:
        raise InputError(f"{name} is a picture; the method 'fit' needs points: use auto or silhouette.")
