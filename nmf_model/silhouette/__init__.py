"""From a picture to a cloud: find the object's mask, inflate it."""
