"""What the command line's options do for the window."""

from __future__ import annotations

import pytest

import nmf_app.app
from nmf_app.__main__ import main
from nmf_app.session import Parameters
from nmf_app.widgets.parameters import ParametersPanel
from nmf_app.wording import METHOD_WORDS
from nmf_model.types import MAX_SEED, METHODS
from nmf_model.weights import shipped_path


@pytest.fixture
def windows(open_window, monkeypatch):
    """The windows that the command line opens, whose event loops end at once."""
    opened = []

    def build():
        opened.append(open_window(viewport=False))
        return opened[-1]

    monkeypatch.setattr(nmf_app.app, "build", build)
    monkeypatch.setattr(nmf_app.app, "_exec", lambda qt: 0)
    return opened


def test_the_window_works_with_the_weights_that_are_named(windows):
    own = shipped_path("ae")
    assert main(["--weights", str(own)]) == 0
    (app,) = windows
    assert app.session.state.parameters.weights == own
    app.window.side_panel.parameters._seed.setValue(5)
    assert app.session.state.parameters.weights == own, "also after an edit of others"
    assert app.session.state.parameters.seed == 5


def test_weights_that_cannot_be_open_no_window(windows, capsys):
    assert main(["--weights", "gone.safetensors"]) == 2
    assert not windows
    assert capsys.readouterr().err == "nmf: There is no checkpoint gone.safetensors; check its name.\n"


def test_the_window_holds_every_seed_that_the_command_line_takes(windows):
    assert main(["--seed", str(MAX_SEED)]) == 0
    (app,) = windows
    assert app.session.state.parameters.seed == MAX_SEED
    assert app.window.side_panel.parameters._seed.value() == MAX_SEED


def test_a_value_that_cannot_be_shown_leaves_the_editors_working(qtbot):
    panel = ParametersPanel(Parameters())
    qtbot.addWidget(panel)
    with pytest.raises(OverflowError):
        panel.show_parameters(Parameters(seed=2**40))
    with qtbot.waitSignal(panel.edited) as edited:
        panel._seed.setValue(3)
    assert edited.args == [Parameters(seed=3)]


def test_the_methods_to_choose_are_those_that_there_are(qtbot):
    panel = ParametersPanel(Parameters())
    qtbot.addWidget(panel)
    offered = [panel._method.itemData(row) for row in range(panel._method.count())]
    assert offered == list(METHODS)
    assert METHOD_WORDS["network+fit"][0] == "Network, then fit", "a result can be of it"
