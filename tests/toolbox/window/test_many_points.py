"""Thirty speakers and five hundred utterances."""

import gc
import os
import shutil

import numpy as np
import psutil
import pytest
from PyQt5.QtWidgets import QApplication

from tests.toolbox.fakes import save_speech
from tests.toy_models import TOY_SPACE
from toolbox.jobs.speaker_map import Layout

MEGABYTE = 2**20


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Thirty speakers with a folder each, and two clips in it."""
    folder = tmp_path_factory.mktemp("corpora") / "thirty"
    recordings = [
        save_speech(folder.parent / "recordings" / f"{number}.wav", 2.5, 100 + 40 * number) for number in range(2)
    ]
    for speaker in range(30):
        for number, recording in enumerate(recordings):
            target = folder / f"p{speaker}" / f"{number}.wav"
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(recording, target)
    return folder


@pytest.mark.slow
def test_thirty_speakers_are_browsed_chosen_at_random_and_mapped(app, corpus):
    window = app.open([corpus])
    browser = window.datasets
    app.until(lambda: browser.columns[2].model.rowCount() == 2)
    assert browser.columns[1].model.stringList()[:3] == ["p0", "p1", "p2"]
    browser.columns[1].select(29)
    app.until(lambda: browser.shown and browser.shown[0].speaker == "p29")
    app.settle()
    browser.load_button.click()
    app.until(lambda: app.voices.chosen.kind == "clips")
    assert app.voices.chosen.title.startswith("p29") and browser.selected()[0].name.endswith("1.wav"), (
        "the next one is selected"
    )
    for level in (0, 1, 2):
        before = app.voices.chosen
        browser.random(level)
        app.until(lambda before=before: app.voices.chosen is not before)
        app.settle()
    for speaker in range(30):
        browser.columns[1].select(speaker)
        app.until(lambda speaker=speaker: browser.shown and browser.shown[0].speaker == f"p{speaker}")
        browser.speaker_button.click()
    app.settle()
    speakers = {point.speaker for point in window.map.map.points}
    assert len(speakers) >= 30 and len(window.map.map) >= 60 and not app.errors
    colours = {tuple(window.map.map.colour(speaker)) for speaker in speakers}
    assert len(colours) == len(speakers), "each has its own colour"
    window.show_page("Map")
    window.map.canvas.repaint()
    x, y = window.map.canvas.pixels()[0]
    assert window.map.canvas.name_at(x, y)
    window.map.save(app.folder / "map.png")
    app.settle()
    assert (app.folder / "map.png").stat().st_size > 5000
    window.map.clear_button.click()
    assert not window.map.canvas.has_picture()


@pytest.mark.slow
def test_memory_does_not_grow_over_five_hundred_utterances(app, monkeypatch):
    monkeypatch.setattr(
        "toolbox.panels.map_panel.fit", lambda snapshot, check: Layout(snapshot.positions, snapshot.version)
    )
    monkeypatch.setattr(os, "fsync", lambda _handle: None)  # not tested here
    window = app.open()
    app.speak("A.")
    result, process = app.requests.result, psutil.Process()
    rng = np.random.default_rng(0)
    sizes: list[float] = []
    window.show_page("Log")  # painting is tested elsewhere
    for number in range(500):
        window.requests._begin("Speaking", "A.", lambda _context: result)
        while window.requests.busy:
            QApplication.processEvents()
        row = rng.random(16).astype(np.float32)
        app.session.point_added.emit(row, f"speaker {number % 40}", f"{number}.wav", TOY_SPACE)
        if number % 100 == 99:
            app.settle()
            gc.collect()
            sizes.append(process.memory_info().rss / MEGABYTE)
    app.settle()
    assert window.history.model.rowCount() == 501 and not app.errors
    assert sizes[-1] - sizes[0] < 25, f"{sizes} MB"
    assert len(window.map.map) >= 500 and window.map.speakers.count() >= 40
