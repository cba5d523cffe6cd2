"""From one picture to a rounded body: find the object's mask, inflate it, compare outlines."""

from nmf_model.silhouette.inflation import inflate
from nmf_model.silhouette.mask import find_mask
from nmf_model.silhouette.outline import outline_iou

__all__ = ["find_mask", "inflate", "outline_iou"]
