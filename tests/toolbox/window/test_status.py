"""What the status bar, the map and a dragged result say."""

import logging
import threading

import numpy as np
from PyQt5.QtCore import Qt

from speech.audio import read_audio
from toolbox.panels.log_panel import COMPILER, LogRelay

LONG = " ".join(["Hello there."] * 4)  # of the toy models, speech is detected in long results only


def test_the_status_bar_says_that_the_first_run_compiles(app):
    window = app.open()
    relay, go_on = LogRelay(), threading.Event()
    relay.signals.compiling.connect(window.activity.show_note)
    logger = logging.getLogger(COMPILER)
    logger.addHandler(relay)
    level = logger.level
    logger.setLevel(logging.INFO)

    def compile_kernels(context):
        context.progress("Preparing", 1, 2)
        logger.info("Compiling the vocoder for this processor, once: about ten seconds.")
        go_on.wait(10)
        context.progress("Vocoding", 2, 2)

    try:
        app.session.submit("Speaking", compile_kernels)
        app.until(lambda: "once" in window.activity.label.toolTip())
        assert window.activity.label.toolTip().startswith("Compiling") and window.activity.bar.maximum() == 0
        go_on.set()
        app.settle()
        assert "Compiling" not in window.activity.label.toolTip()
        logger.warning("A cache file is damaged.")
        assert "damaged" not in window.activity.label.toolTip()
    finally:
        logger.removeHandler(relay)
        logger.setLevel(level)


def test_the_map_counts_people(app):
    window = app.open()
    window.map.clear()
    rows = np.eye(8, dtype=np.float32)
    for number, (speaker, name) in enumerate([("ann", "a"), ("ann", "b"), ("bob", "c"), ("Results: ann", "Hello")]):
        window.map.add(rows[number], speaker, name)
    assert window.map.state.text().startswith("2 people, 3 recordings, 1 result: ")
    window.map.clear()
    window.map.add(rows[0], "Results: ann", "Hello")
    assert window.map.state.text().startswith("1 person, 1 result: ")


def test_a_result_is_dragged_out_as_a_file(app):
    window = app.open()
    app.speak("Hello there.")
    model = window.history.model
    index = model.index(0)
    assert model.flags(index) & Qt.ItemIsDragEnabled and window.history.list.dragEnabled()
    (url,) = model.mimeData([index]).urls()
    assert url.fileName() == "slt - hello there.wav"
    dragged = read_audio(url.toLocalFile())
    assert len(dragged) == len(app.requests.result.wav)
    window.text_card.synthesize()
    app.settle()
    assert not model.flags(model.index(0)) & Qt.ItemIsDragEnabled, "there is no audio yet"


def test_the_map_is_kept_between_two_starts(app, clips):
    window = app.open()
    app.voices.use_clips(clips)
    app.settle()
    app.speak(LONG)
    before = [(point.speaker, point.name) for point in window.map.map.points]
    title = app.voices.chosen.title
    assert before == [
        ("slt", "slt.flac"),
        *((title, clip.name) for clip in clips),
        (f"Results: {title}", LONG),
    ]
    positions = window.map.map.positions.copy()
    app.close()
    window = app.open()
    app.settle()
    assert [(point.speaker, point.name) for point in window.map.map.points] == before, "nothing is added twice"
    np.testing.assert_array_equal(window.map.map.positions, positions)
    assert window.map.state.text().startswith("2 people, 4 recordings, 1 result: ")
    window.map.clear_button.click()
    assert len(window.map.map) == 0
    app.notices[-1][1]()
    assert len(window.map.map) == 5, "clearing is undone"
    window.map.clear()
    app.close()
    window = app.open()
    app.settle()
    assert [point.speaker for point in window.map.map.points] == ["slt"], "a cleared map is kept as well"


def test_a_damaged_map_starts_empty(app):
    app.data.mkdir()
    (app.data / "map.safetensors").write_bytes(b"nothing")
    window = app.open()
    app.settle()
    assert len(window.map.map) == 1 and not app.errors


def test_the_map_counts_a_person_once_under_all_names(app, clips):
    window = app.open()
    window.map.clear()
    app.voices.use_clips([clips[0]])
    app.settle()
    app.speak(LONG)
    window.voice_card.waveform.axis.select(0.5, 2.5)
    window.voice_card.trim()
    app.settle()
    app.speak(LONG)
    assert window.map.state.text().startswith("1 person, 1 recording, 2 results: ")
    app.session.undo()
    app.voices.save_chosen("ann", "")
    app.until(lambda: app.voices.chosen.kind == "saved")
    app.settle()
    app.speak(LONG)
    assert window.map.map.speakers == ["ann", "Results: ann"]
    app.session.point_added.emit(np.eye(1, 16, dtype=np.float32)[0], "corpus p1", "a", "toy")
    assert window.map.state.text().startswith("2 people, 2 recordings, 3 results: ")


def test_another_encoder_starts_a_new_map(app):
    window = app.open()
    app.session.point_added.emit(np.eye(1, 16, dtype=np.float32)[0], "p1", "a", "another encoder")
    assert [point.speaker for point in window.map.map.points] == ["p1"]
    items = [window.map.speakers.item(row).text() for row in range(window.map.speakers.count())]
    assert items == ["p1"]
