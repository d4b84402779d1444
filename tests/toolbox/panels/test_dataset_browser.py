"""The page Datasets: the empty state, search and preview."""

import pytest
from PyQt5.QtCore import Qt

from tests.toolbox.fakes import save_speech

TEXTS = {"a": "The ships sailed.", "b": "A red kite.", "c": "Ships of the red sea."}


@pytest.fixture
def corpus(app):
    folder = app.folder / "corpus"
    for number, name in enumerate(TEXTS):
        save_speech(folder / "wavs" / f"{name}.wav", 2.0 + number, seed=number)
    rows = "".join(f"{name}|{text}|{text}\n" for name, text in TEXTS.items())
    (folder / "metadata.csv").write_text(rows, encoding="utf-8")
    return folder


def test_without_datasets_the_page_says_what_to_do(app, corpus):
    window = app.open()
    browser = window.datasets
    window.show_page("Datasets")
    assert browser.empty.isVisible() and not browser.splitter.isVisible() and browser.add_button.isVisible()
    browser.add_folders([corpus])
    app.settle()
    assert not browser.empty.isVisible() and browser.splitter.isVisible() and browser.preview.isVisible()


def test_utterances_are_searched_and_previewed(app, corpus):
    window = app.open([corpus])
    browser = window.datasets
    window.show_page("Datasets")
    app.until(lambda: browser.preview.waveform.has_picture())
    assert browser.preview.text.text() == TEXTS["a"] and browser.preview.facts.text() == "2.0 s"
    browser.search.setText("RED ships")
    app.settle()
    assert [one.text for one in browser.shown] == [TEXTS["c"]]
    assert browser.preview.text.text() == TEXTS["c"] and browser.preview.facts.text() == "4.0 s"
    browser.preview.waveform.sought.emit(1.0)
    assert app.session.playing == "utterance" and app.session.player.position() >= 1.0
    app.session.stop_playing()
    browser.columns[2].view.setFocus()
    app.qtbot.keyClick(browser.columns[2].view, Qt.Key_Space)
    app.until(lambda: app.session.playing == "utterance")
    browser.search.setText("nothing like this")
    assert browser.shown == [] and not browser.preview.waveform.has_picture() and not browser.load_button.isEnabled()
    browser._wanted = browser._utterances[1]
    browser._filter()
    assert browser.search.text() == "" and len(browser.shown) == 3, "a random choice ends the search"
    app.settle()
    assert not app.errors
