"""Shows a widget."""

import pytest


@pytest.fixture
def show(qtbot):
    def made(widget, width=300, height=120):
        qtbot.addWidget(widget)
        widget.resize(width, height)
        widget.show()
        return widget

    return made
