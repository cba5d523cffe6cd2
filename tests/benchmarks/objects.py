"""Choose and sample the benchmark's objects: ``python -m tests.benchmarks.objects LIBRARY.sh3f…``.

The rule, fixed before anything was fitted, so that nothing is picked for being easy: every object of the
libraries gets a kind by the last word of its name (``KINDS``); within a kind, objects are ordered by the
SHA-1 of their id; kinds take turns, in the order of ``KINDS``, until 24 are chosen. Once among the
objects of the training and validation parts (``development.npz``), once in the test part (``test.npz``).
``development.npz`` ends with two hard ones by choice, ``HARD``: chairs that are one bent sheet,
one with a hole in it, one on wires.

Each file holds, for K objects: ``given`` (K, 2500, 3) and ``target`` (K, 10000, 3), int16 / 32767:
independent points of the outer surface, uniform by area, centred on their mean, the furthest at radius 1;
``id``, ``name``, ``kind``, ``category``, ``license``, ``creator``, ``library``, ``split`` (K,) text.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nmf_model.data.credits import write_credits
from nmf_model.data.library import LibraryEntry, load_mesh, read_library
from nmf_model.data.outer_surface import sample_outer_surface
from nmf_model.data.splits import split_of

FOLDER = Path(__file__).parents[2] / "resources" / "benchmark"
OBJECTS, GIVEN, TARGET = 24, 2500, 10_000
HARD = ("Scopia#ryokanChair", "Scopia#plastic_chair")

KINDS = {
    "chair": "armchair bench chair seat stool",
    "table": "desk table workbench",
    "sofa": "couch futon sofa",
    "cabinet": "bookcase cabinet chest cupboard drawers dresser locker shelves vanity wardrobe",
    "lamp": "chandelier lamp lamppost lantern light lights spotlight",
    "bed": "bed crib mattress",
    "vehicle": "",
    "person": "",
    "vessel": "barrel basin bottle bowl creamer cup flacon glass jar kettle mug pan plate pot pottery "
    "teapot vase",
    "appliance": "brewer blender boiler cooker cooktop dryer fan fridge freezer fryer furnace heater laptop "
    "machine maker microwave mixer oven phone playstation printer radio refrigerator stove tablet toaster "
    "tv",
    "plant": "acacia bamboo bush cactus cypress ficus flowers hedge lily maple orchids palm pine plant "
    "poplar spathiphyllum tree tulips yucca",
    "tool": "broom brush comb drill extinguisher fork grinder hammer knife ladder mower pliers saw scissors "
    "screwdriver shovel spoon stapler tool wheelbarrow",
    "toy": "ball basketball bear bike doll game guitar helmet horse joystick piano puzzle racket skateboard "
    "train trampoline treadmill tricycle xylophone",
    "other": "",
}
_KIND_OF_CATEGORY = {"Vehicles": "vehicle", "Characters": "person", "Lights": "lamp"}


def kind_of(entry: LibraryEntry) -> str:
    """Name the kind of an object by its category, or by the head word of its name."""
    if entry.category in _KIND_OF_CATEGORY:
        return _KIND_OF_CATEGORY[entry.category]
    head = re.split(r" with | and |,| - |\d", entry.name.lower())[0].split()
    return next((kind for kind, words in KINDS.items() if head and head[-1] in words.split()), "other")


def choose(entries: Iterable[LibraryEntry], count: int) -> list[LibraryEntry]:
    """Take turns among the kinds, in SHA-1 order within each, until ``count`` objects are chosen."""
    ordered = sorted(entries, key=lambda entry: hashlib.sha1(entry.id.encode()).hexdigest())
    by_kind = [[entry for entry in ordered if kind_of(entry) == kind] for kind in KINDS]
    turns = itertools.chain.from_iterable(itertools.zip_longest(*by_kind))
    return list(itertools.islice((entry for entry in turns if entry is not None), count))


def sample(entry: LibraryEntry, seed: int = 0) -> NDArray[np.int16]:
    """Draw the points of one object, given first, then target: (12500, 3), unit-radius frame / 32767."""
    points = sample_outer_surface(load_mesh(entry), GIVEN + TARGET, seed=seed).points
    points = points - points.mean(axis=0)
    points /= np.linalg.norm(points, axis=1).max()
    return np.round(points * 32767).astype(np.int16)


def write_set(path: Path, entries: list[LibraryEntry]) -> None:
    """Sample the entries and write them with who made them."""
    points = np.stack([sample(entry) for entry in entries])
    text = {
        key: np.array([str(getattr(entry, key)) for entry in entries])
        for key in ("id", "name", "category", "license", "creator")
    }
    np.savez_compressed(
        path,
        given=points[:, :GIVEN],
        target=points[:, GIVEN:],
        kind=np.array([kind_of(entry) for entry in entries]),
        library=np.array([entry.library.name for entry in entries]),
        split=np.array([split_of(entry.id) for entry in entries]),
        **text,
    )


def main() -> None:
    """Write both sets and their credits."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("libraries", nargs="+", type=Path)
    parser.add_argument("--list", action="store_true", help="only print what would be chosen")
    arguments = parser.parse_args()
    entries = [entry for path in sorted(arguments.libraries) for entry in read_library(path)]
    held_out = choose((entry for entry in entries if split_of(entry.id) == "test"), OBJECTS)
    development = choose((entry for entry in entries if split_of(entry.id) != "test"), OBJECTS)
    development += [entry for entry in entries if entry.id in HARD]
    if arguments.list:
        for entry in development + held_out:
            print(split_of(entry.id), kind_of(entry), entry.category, entry.id, entry.name, sep=" | ")
        return
    FOLDER.mkdir(parents=True, exist_ok=True)
    write_set(FOLDER / "development.npz", development)
    write_set(FOLDER / "test.npz", held_out)
    write_credits(FOLDER / "credits.md", development + held_out)


if __name__ == "__main__":
    main()
