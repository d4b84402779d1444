"""A slider with its value."""

import pytest
from PyQt5.QtCore import Qt
from PyQt5.QtWidgets import QGridLayout, QWidget

from toolbox.widgets.value_slider import ValueSlider


@pytest.fixture
def slider(qtbot):
    parent = QWidget()
    qtbot.addWidget(parent)
    made = ValueSlider("Spee&d", "Speaking rate.", (0.5, 2.0))
    made.add_to(QGridLayout(parent), 0)
    parent.show()
    made.parent_widget = parent  # keeps it alive
    return made


def test_it_starts_at_one_and_shows_its_value(slider):
    assert slider.factor() == 1.0 and slider.figure.text() == "1.00"
    assert slider.accessibleName() == "Speed" and slider.label.buddy() is slider
    assert "Speaking rate." in slider.toolTip() and "Double-click" in slider.toolTip()


def test_values_are_exact_and_clipped(slider):
    for factor in (0.5, 0.8, 1.35, 2.0):
        slider.set_factor(factor)
        assert slider.factor() == factor
    slider.set_factor(7.0)
    assert slider.factor() == 2.0 and slider.figure.text() == "2.00"


def test_keys_change_it_and_a_double_click_resets_it(slider, qtbot):
    slider.setFocus()
    with qtbot.waitSignal(slider.factor_changed) as changed:
        qtbot.keyClick(slider, Qt.Key_Right)
    assert changed.args == [1.05]
    qtbot.keyClick(slider, Qt.Key_PageUp)
    assert slider.factor() == 1.3
    qtbot.mouseDClick(slider, Qt.LeftButton, pos=slider.rect().center())
    assert slider.factor() == 1.0
