"""Small parts of the panels."""

from PyQt5.QtCore import Qt
from PyQt5.QtWidgets import QLabel

from toolbox.widgets.parts import ElidedLabel, Fold, clock


def test_a_fold_shows_and_hides_its_content(qtbot):
    fold = Fold("&Options", "Show or hide the options", QLabel("content"))
    qtbot.addWidget(fold)
    fold.show()
    content = fold.findChild(QLabel, "")
    assert not fold.is_open() and fold.button.accessibleName() == "Options"
    qtbot.mouseClick(fold.button, Qt.LeftButton)
    assert fold.is_open() and fold.button.arrowType() == Qt.DownArrow
    fold.set_open(False)
    assert not any(label.isVisible() for label in fold.findChildren(QLabel) if label.text() == "content")
    assert content is not None


def test_a_long_line_is_elided_and_kept_as_tooltip(qtbot):
    label = ElidedLabel("word " * 50)
    qtbot.addWidget(label)
    label.resize(100, 20)
    label.show()
    assert label.text().endswith("…") and label.toolTip() == "word " * 50


def test_durations_are_readable():
    assert [clock(seconds) for seconds in (0, 7.2, 59.4, 125)] == ["0 s", "7 s", "59 s", "2:05 min"]
