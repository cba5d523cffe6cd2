from __future__ import annotations

import pytest
from PySide6.QtCore import QLocale, Qt
from PySide6.QtWidgets import QSpinBox

from nmf_app.widgets.fields import FactorField, set_in


@pytest.fixture
def in_a_country():
    before = QLocale()
    yield lambda name: QLocale.setDefault(QLocale(name))
    QLocale.setDefault(before)


@pytest.mark.parametrize("country", ["C", "en_US", "de_DE", "de_CH", "fr_FR"])
@pytest.mark.parametrize(
    ("typed", "meant", "shown"),
    [
        ("2.5", 2.5, "2.5"),
        ("2,5", 2.5, "2.5"),
        ("0.001", 0.001, "0.001"),
        ("0,0254", 0.0254, "0.0254"),
        ("1000", 1000.0, "1000"),
        ("1,000.5", 1.0005, "1.0005"),  # the second mark is not taken, and that is seen
    ],
)
def test_point_and_comma_mean_the_same_everywhere(qtbot, in_a_country, country, typed, meant, shown):
    in_a_country(country)
    field = FactorField()
    qtbot.addWidget(field)
    assert field.text() == "1"
    field.selectAll()
    qtbot.keyClicks(field, typed)
    assert "," not in field.text(), "a comma is a point as soon as it is typed"
    qtbot.keyClick(field, Qt.Key.Key_Return)
    assert (field.value(), field.text()) == (meant, shown)


def test_the_text_of_a_field_keeps_off_its_frame(qtbot):
    for box in (FactorField(), QSpinBox()):
        qtbot.addWidget(box)
        set_in(box)
        assert box.lineEdit().textMargins().left() >= 4
