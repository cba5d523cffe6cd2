"""The training side's command line: ``training_cli.py`` and ``nmf-train``."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import Annotated

import typer

from nmf_model.errors import InputError, NmfError
from nmf_model.training import (
    data_commands,
    evaluate_command,
    generate_command,
    legacy_flags,
    options,
    train_commands,
)
from nmf_model.training.printing import complain, say

EXIT_BAD_INPUT = 2

app = typer.Typer(
    help="Prepare, train and evaluate the models of Neural Mesh Flow.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.command("prepare")(data_commands.prepare)
app.command("pack")(data_commands.pack)
app.command("contact-sheet")(data_commands.contact_sheet)
app.command("generator-speed")(data_commands.generator_speed)
app.add_typer(train_commands.app, name="train")
app.command("evaluate")(evaluate_command.evaluate)
app.command("generate")(generate_command.generate)


@app.command("import-published")
def import_published(
    ae: Annotated[Path, typer.Option(help="The authors' auto-encoder weights (epoch_149).")],
    out: Annotated[Path, typer.Option(help="The file to write, ending in .safetensors.")],
    svr: Annotated[Path | None, typer.Option(help="The authors' image branch (epoch_370).")] = None,
    half: Annotated[bool, typer.Option(help="Store half precision: half the size.")] = False,
) -> None:
    """Convert the checkpoints published by the paper's authors."""
    options.safetensors_file(out)
    from nmf_model import checkpoint, checkpoint_legacy

    model = checkpoint_legacy.load_published(ae, svr)
    provenance = {"source": "published checkpoints of the paper's authors", "autoencoder": ae.name}
    if svr is not None:
        provenance |= {"image_branch": svr.name, "image_preprocessing": checkpoint_legacy.PREPROCESSING}
    checkpoint.save(out, model, provenance=provenance, storage="float16" if half else "float32")
    size = sum(parameter.numel() for parameter in model.parameters())
    say(f"Wrote {out}: {size:,} parameters.")


def _repeated(words: list[str]) -> list[str]:
    """Return the words with ``--source A B`` spelt as ``--source A --source B``, the only way click knows."""
    if words[:1] != ["prepare"]:
        return words
    spelt: list[str] = []
    in_sources = False
    for word, before in zip(words, ["", *words], strict=False):
        if word.startswith("-"):
            in_sources = word.partition("=")[0] == "--source"
        elif in_sources and before != "--source":
            spelt.append("--source")
        spelt.append(word)
    return spelt


@app.command("combine")
def combine(
    ae: Annotated[Path, typer.Option(help="Weights whose encoder and flow are taken.")],
    svr: Annotated[Path, typer.Option(help="Weights whose picture branch is taken.")],
    out: Annotated[Path, typer.Option(help="The file to write, ending in .safetensors.")],
) -> None:
    """Put a picture branch beside another auto-encoder: clouds that it predicts suit any."""
    options.safetensors_file(out)
    from nmf_model import checkpoint
    from nmf_model.model import NeuralMeshFlow

    first, second = checkpoint.load(ae), checkpoint.load(svr)
    if second.image is None:
        raise InputError(f"{svr} has no picture branch.")
    model = NeuralMeshFlow(dataclasses.replace(first.config, image=second.config.image))
    model.encoder, model.flow, model.image = first.encoder, first.flow, second.image
    origin = checkpoint.read_header(svr).provenance
    cloud = {f"autoencoder {key}": value for key, value in checkpoint.read_header(ae).provenance.items()}
    checkpoint.save(out, model, provenance={**origin, **cloud}, storage="float16")
    say(f"Wrote {out}.")


@app.command("average")
def average(
    one: Annotated[Path, typer.Argument(help="Weights.")],
    other: Annotated[Path, typer.Argument(help="Others of the same model, trained on from these.")],
    out: Annotated[Path, typer.Option(help="The file to write, ending in .safetensors.")],
    share: Annotated[float, typer.Option(min=0, max=1, help="Of the others in the mean.")] = 0.5,
) -> None:
    """Average two trainings of one model: often better than either (Wortsman et al., "Model soups", 2022).

    What says which way is up may be new in the others; it is taken as it is.
    """
    options.safetensors_file(out)
    import torch

    from nmf_model import checkpoint

    first, second = checkpoint.load(one), checkpoint.load(other)
    kept = first.state_dict()
    image = None if second.config.image is None else second.config.image.without_up()
    if first.config not in (second.config, dataclasses.replace(second.config, image=image)):
        raise InputError(f"{one} and {other} are not of the same model.")
    with torch.no_grad():
        for name, theirs in second.state_dict().items():
            if theirs.is_floating_point() and name in kept:
                theirs.copy_(kept[name].lerp(theirs, share))
    origin = checkpoint.read_header(other).provenance
    before = {f"averaged {key}": value for key, value in checkpoint.read_header(one).provenance.items()}
    told = {**origin, **before, "averaged share": f"{1 - share:g}"}
    checkpoint.save(out, second, provenance=told, storage="float16")
    say(f"Wrote {out}.")


def main() -> None:
    """Run the command line; a deliberate error becomes one sentence and exit code 2."""
    try:
        words = _repeated(sys.argv[1:])
        app(legacy_flags.translate(words) if legacy_flags.is_legacy(words) else words)
    except NmfError as error:
        complain(f"Error: {error}")
        sys.exit(EXIT_BAD_INPUT)
