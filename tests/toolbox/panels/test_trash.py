"""Deleting, undoing it, the trash, and the keys of lists."""

from PyQt5.QtCore import Qt
from PyQt5.QtWidgets import QListWidget


def save_voices(app, *names):
    for name in names:
        app.voices.save_chosen(name, "")
        app.until(lambda name=name: app.voices.chosen.key == name)
        app.settle()


def rows(dialog):
    return [dialog.list.item(row).text() for row in range(dialog.list.count())]


def test_ctrl_z_takes_back_deletions_latest_first(app):
    window = app.open()
    save_voices(app, "ann")
    app.speak("One.")
    window.history.delete()
    app.settle()
    window.library.delete()
    app.settle()
    assert app.voices.saved_names == [] and app.requests.entries == []
    window.show_page("Voices")
    app.qtbot.keyClick(window, Qt.Key_Z, Qt.ControlModifier)
    app.settle()
    assert app.voices.saved_names == ["ann"] and app.requests.entries == []
    app.qtbot.keyClick(window, Qt.Key_Z, Qt.ControlModifier)
    app.settle()
    assert len(app.requests.entries) == 1
    app.qtbot.keyClick(window, Qt.Key_Z, Qt.ControlModifier)
    assert "nothing to undo" in app.notices[-1][0]


def test_the_button_and_ctrl_z_take_a_change_back_only_once(app):
    window = app.open()
    save_voices(app, "ann")
    window.library.delete()
    app.settle()
    app.notices[-1][1]()
    app.settle()
    window.session.undo()
    app.settle()
    assert app.voices.saved_names == ["ann"] and not app.errors


def test_the_trash_is_opened_and_restored(app):
    window = app.open()
    save_voices(app, "ann", "bob")
    for text in ("One.", "Two."):
        app.speak(text)
    for _ in range(2):
        window.history.delete()
        app.settle()
        window.library.delete()
        app.settle()
    app.close()
    window = app.open()
    window.beside.open_trash()
    app.settle()
    assert sorted(row.split(" (")[0] for row in rows(window.beside.trash)) == [
        "Result: One.", "Result: Two.", "Voice: ann", "Voice: bob",
    ]  # fmt: skip
    window.beside.trash.list.selectAll()
    window.beside.trash.restore_button.click()
    app.settle()
    assert app.voices.saved_names == ["ann", "bob"] and len(app.requests.entries) == 2
    assert rows(window.beside.trash) == [] and "empty" in window.beside.trash.note.text()
    assert not window.beside.trash.restore_button.isEnabled() and not app.errors


def test_space_plays_and_pauses_and_del_deletes_a_result(app):
    window = app.open()
    app.speak("A sentence that takes a while to play.")
    app.session.stop_playing()
    view = window.history.list
    view.setFocus()
    app.qtbot.keyClick(view, Qt.Key_Space)
    app.until(lambda: app.session.playing == "result" and app.session.player.position() > 0.05)
    app.qtbot.keyClick(view, Qt.Key_Space)
    assert app.session.playing == ""
    stopped = app.session.player.position()
    app.qtbot.keyClick(view, Qt.Key_Space)
    assert app.session.playing == "result" and app.session.player.position() >= stopped - 0.001 > 0, (
        "it continues there"
    )
    app.qtbot.keyClick(view, Qt.Key_Delete)
    app.settle()
    assert app.requests.entries == []


def test_space_plays_and_del_deletes_in_the_library(app, clips):
    window = app.open()
    save_voices(app, "ann", "bob")
    window.show_page("Voices")
    view: QListWidget = window.library.list
    view.setFocus()
    app.qtbot.keyClick(view, Qt.Key_Space)
    app.until(lambda: app.session.playing == "saved reference")
    app.qtbot.keyClick(view, Qt.Key_Space)
    assert app.session.playing == ""
    window.library.table.setFocus()
    app.qtbot.keyClick(window.library.table, Qt.Key_Delete)
    app.settle()
    assert app.voices.saved_names == ["ann", "bob"] and not app.errors, "the only reference stays"
    view.setFocus()
    app.qtbot.keyClick(view, Qt.Key_Delete)
    app.settle()
    assert len(app.voices.saved_names) == 1
