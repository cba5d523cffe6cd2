"""Fill reconstructed objects with tetrahedra: ``python -m tests.benchmarks.solids [--objects 0 7 12 20]``.

Objects are those of the development set; their flows come from ``tests.benchmarks.cached_fits``, their
surfaces are made as the program makes them. Inverted before: of the ball's tetrahedra, carried by the flow
and not put right. Crossing faces are those of the surface: one that crosses itself encloses nothing that
positive tetrahedra could fill.
"""

from __future__ import annotations

import argparse
import time

import torch

from nmf_model.geometry.ball import ball
from nmf_model.geometry.relax import not_positive
from nmf_model.geometry.template import Template, icosphere
from nmf_model.quality import enclosed_volume, inspect_mesh
from nmf_model.solid import flow_solid, measure
from nmf_model.sound.certify import make_sound
from nmf_model.sound.forms import written_forms
from nmf_model.sound_flow import BASE_LEVEL, BUDGETS
from nmf_model.types import Mesh
from tests.benchmarks.cached_fits import CachedFit, cached_fit

HEADING = (
    "| object | vertices | crossing faces | tetrahedra | inverted before | inverted after "
    "| min dihedral | 5 % | mean | volume off | seconds |\n"
    "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|"
)


def main() -> None:
    """Print one line an object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--objects", type=int, nargs="+", default=[0, 7, 12, 20])
    parser.add_argument("--tag", default="now", help="name of the state of the fit")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(HEADING, flush=True)
    for index in arguments.objects:
        print(row(cached_fit("development", index, arguments.tag)), flush=True)


def surface_of(fit: CachedFit) -> Mesh:
    """Make the surface as a reconstruction without a template level does."""
    points = fit.normalization.to_unit(fit.given)
    forms = written_forms(fit.normalization)
    found = make_sound(fit.carrier, points, icosphere(BASE_LEVEL), BUDGETS["fit"], forms=forms)
    return Mesh(fit.normalization.to_file(found.image), found.faces, found.sphere)


def inverted_by_the_flow(fit: CachedFit, surface: Mesh) -> int:
    """Count the ball's tetrahedra that are not positive where the flow alone carries them."""
    start = ball(Template(surface.sphere, surface.faces))
    carried = fit.normalization.to_file(fit.carrier.carry(start.vertices, steps=64))
    carried[: len(surface.vertices)] = surface.vertices
    return not_positive(carried, start.tetrahedra)


def row(fit: CachedFit) -> str:
    """Return one line of the table; the seconds are processor time of making and measuring the solid."""
    surface = surface_of(fit)
    before = inverted_by_the_flow(fit, surface)
    started = time.process_time()
    solid = flow_solid(fit.carrier, surface, fit.normalization)
    facts = measure(solid)
    seconds = time.process_time() - started
    error = abs(facts.solid_volume / enclosed_volume(surface.vertices, surface.faces) - 1)
    return (
        f"| {fit.name} | {len(surface.vertices):,} | {inspect_mesh(surface).self_intersecting_faces} "
        f"| {facts.tetrahedra:,} | {before:,} | {facts.inverted_tetrahedra:,} "
        f"| {facts.min_dihedral_degrees:.2f}° | {facts.p5_dihedral_degrees:.1f}° "
        f"| {facts.mean_dihedral_degrees:.1f}° | {error:.0e} | {seconds:.0f} |"
    )


if __name__ == "__main__":
    main()
