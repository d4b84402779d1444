"""The page Datasets: the empty state, search, preview, and the table of utterances."""

import os

import pytest
from PyQt5.QtCore import Qt

from tests.toolbox.fakes import save_speech
from toolbox.panels.dataset_lists import LENGTH, NAME, TEXT

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


def cells(browser, row):
    model = browser.columns[2].model
    return [model.data(model.index(row, column)) for column in (NAME, TEXT, LENGTH)]


def test_each_row_has_name_text_and_length(app, corpus):
    (corpus / "wavs" / "d.wav").write_bytes(b"no audio")
    with (corpus / "metadata.csv").open("a") as file:
        file.write("d|Not audio.|Not audio.\n")
    window = app.open([corpus])
    browser = window.datasets
    window.show_page("Datasets")
    app.until(lambda: cells(browser, 0)[LENGTH])
    found = [cells(browser, row) for row in range(4)]
    assert [row[TEXT] for row in found] == [*TEXTS.values(), "Not audio."]
    assert [row[LENGTH] for row in found] == ["2.0 s", "3.0 s", "4.0 s", "unreadable"]
    assert not browser.columns[2].view.isColumnHidden(TEXT)
    assert browser.columns[2].title.text() == "Utterances (4)"


def test_without_texts_that_column_is_hidden_and_folders_tell_equal_names_apart(app):
    for folder in ("v1", "v2"):
        save_speech(app.folder / "corpus" / "id10001" / folder / "1.wav", 2.0)
    save_speech(app.folder / "corpus" / "id10002" / "v1" / "2.wav", 2.0)
    window = app.open([app.folder / "corpus"])
    browser = window.datasets
    window.show_page("Datasets")
    app.until(lambda: browser.columns[2].model.rowCount() == 2)
    assert browser.columns[2].view.isColumnHidden(TEXT)
    assert [cells(browser, row)[NAME] for row in range(2)] == ["id10001/v1/1.wav", "id10001/v2/1.wav"]
    browser.columns[1].select(1)
    app.until(lambda: browser.columns[2].model.rowCount() == 1)
    assert cells(browser, 0)[NAME] == "2.wav"


def test_of_thousands_of_utterances_only_visible_lengths_are_read(app):
    folder, count = app.folder / "corpus" / "ann", 5000
    first = save_speech(folder / "0000.wav", 2.0)
    for number in range(1, count):
        os.link(first, folder / f"{number:04}.wav")
    save_speech(app.folder / "corpus" / "bob" / "0.wav", 2.0)
    window = app.open([app.folder / "corpus"])
    browser = window.datasets
    window.show_page("Datasets")
    view, model = browser.columns[2].view, browser.columns[2].model
    app.until(lambda: model.rowCount() == count and model.lengths)
    app.settle()
    assert len(model.lengths) < 100 and browser.columns[2].title.text() == "Utterances (5,000)"
    view.scrollToBottom()
    app.until(lambda: cells(browser, count - 1)[LENGTH] == "2.0 s")
    app.settle()
    assert len(model.lengths) < 200
    browser.search.setText("499")
    assert [one.name for one in browser.shown] == ["ann/0499.wav", "ann/1499.wav", "ann/2499.wav", "ann/3499.wav",
                                                   "ann/4499.wav", *(f"ann/499{n}.wav" for n in range(10))]  # fmt: skip
    app.until(lambda: cells(browser, 0)[LENGTH] == "2.0 s")
    assert not app.errors


def test_an_utterance_is_played_as_soon_as_it_is_read(app, corpus):
    window = app.open([corpus])
    browser = window.datasets
    window.show_page("Datasets")
    app.until(lambda: browser.preview.waveform.has_picture())
    browser.columns[2].select(2)
    assert not browser.preview.waveform.has_picture()
    browser.listen_button.click()
    app.until(lambda: app.session.playing == "utterance")
    assert app.session.player.duration() == pytest.approx(4.0)
    browser.listen_button.click()
    assert app.session.playing == ""
    app.qtbot.keyClick(browser.columns[2].view, Qt.Key_Return)
    app.until(lambda: app.voices.chosen.kind == "clips")
    assert window.tabs.currentWidget() is window.pages["Speak"], "Return uses the utterance as a voice"
