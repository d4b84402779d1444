"""Thirty speakers, five hundred utterances: lists, map and memory hold."""

import gc
import os
import shutil

import numpy as np
import psutil
import pytest
from PyQt5.QtWidgets import QApplication

from tests.toolbox.fakes import never_stands_still, save_speech
from toolbox.jobs.speaker_map import Layout

MEGABYTE = 2**20


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Thirty speakers with a folder each, and two clips in it."""
    folder = tmp_path_factory.mktemp("corpora") / "thirty"
    sounds = [save_speech(folder.parent / "sounds" / f"{number}.wav", 2.5, 100 + 40 * number) for number in range(2)]
    for speaker in range(30):
        for number, sound in enumerate(sounds):
            target = folder / f"p{speaker}" / f"{number}.wav"
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(sound, target)
    return folder


@never_stands_still
def test_thirty_speakers_are_browsed_drawn_at_random_and_mapped(house, corpus):
    window = house.open([corpus])
    browser = window.datasets
    house.until(lambda: browser.columns[2].model.rowCount() == 2)
    assert browser.columns[1].model.stringList()[:3] == ["p0", "p1", "p2"]
    browser.columns[1].mark(29)
    house.until(lambda: browser.shown and browser.shown[0].speaker == "p29")
    house.settle()
    browser.load_button.click()
    house.until(lambda: house.voices.chosen.kind == "clips")
    assert house.voices.chosen.title.startswith("p29") and browser.marked()[0].name.endswith("1.wav"), (
        "goes on to the next"
    )
    for level in (0, 1, 2):
        before = house.voices.chosen
        browser.random(level)
        house.until(lambda before=before: house.voices.chosen is not before)
        house.settle()
    for speaker in range(30):
        browser.columns[1].mark(speaker)
        house.until(lambda speaker=speaker: browser.shown and browser.shown[0].speaker == f"p{speaker}")
        browser.speaker_button.click()
    house.settle()
    speakers = {point.speaker for point in window.map.map.points}
    assert len(speakers) >= 30 and len(window.map.map) >= 60 and not house.troubles
    colours = {tuple(window.map.map.colour(speaker)) for speaker in speakers}
    assert len(colours) == len(speakers), "a colour of its own for each"
    window.show_page("Map")
    window.map.canvas.repaint()
    x, y = window.map.canvas.pixels()[0]
    assert window.map.canvas.name_at(x, y)
    window.map.save(house.folder / "map.png")
    house.settle()
    assert (house.folder / "map.png").stat().st_size > 5000
    window.map.clear_button.click()
    assert not window.map.canvas.has_picture()


@pytest.mark.timeout(600)  # a slow machine needs minutes for as many
@never_stands_still
def test_five_hundred_utterances_leave_memory_flat(house, monkeypatch):
    monkeypatch.setattr(
        "toolbox.panels.map_panel.fit", lambda snapshot, check: Layout(snapshot.places, snapshot.version)
    )
    monkeypatch.setattr(os, "fsync", lambda _handle: None)  # two thousand of them are not what is tested here
    window = house.open()
    house.speak("A.")
    result, process = house.orders.result, psutil.Process()
    rng = np.random.default_rng(0)
    sizes: list[float] = []
    window.show_page("Log")  # painting each of them is tested elsewhere
    for number in range(500):
        window.orders._begin("Speaking", "A.", lambda _context: result)
        while window.orders.busy:
            QApplication.processEvents()
        house.session.point_heard.emit(rng.random(16).astype(np.float32), f"speaker {number % 40}", f"{number}.wav")
        if number % 100 == 99:
            house.settle()
            gc.collect()
            sizes.append(process.memory_info().rss / MEGABYTE)
    house.settle()
    assert window.history.model.rowCount() == 501 and not house.troubles
    assert sizes[-1] - sizes[0] < 25, f"{sizes} MB"
    assert len(window.map.map) >= 500 and window.map.speakers.count() >= 40
