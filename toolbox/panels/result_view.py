"""Step 3, the result: audio, mel spectrogram, alignment, and similarity to the reference."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PyQt5.QtCore import Qt
from PyQt5.QtWidgets import QLabel, QSplitter, QStackedWidget, QVBoxLayout, QWidget

from cloning.voices import Voice
from toolbox.state.requests import Requests
from toolbox.state.session import Session
from toolbox.storage.results import BREAK_SECONDS, Line, Result
from toolbox.widgets import style
from toolbox.widgets.canvas import EmbeddingMap
from toolbox.widgets.heat_map import MEL_RANGE, HeatMap, joined_alignment
from toolbox.widgets.parts import Card, beside, button, faint, paint_icon, row, selectable
from toolbox.widgets.scrolling import FlowLayout
from toolbox.widgets.time_axis import TimeAxis
from toolbox.widgets.time_canvas import HINT
from toolbox.widgets.waveform import Waveform

EMBEDDING_PIXELS = 32, 32
FRAMES_PER_SECOND = 80.0  # of the default mel settings; replaced by the exact length once there is audio
WELCOME = """<p style="font-size: large;"><b>Clone a voice in three steps</b></p>
<p><b>1.</b> Choose a voice. A sample is selected; you can open or record your own.</p>
<p><b>2.</b> Write a text, or keep the example.</p>
<p><b>3.</b> Press Speak. Playback starts while the rest is still being generated.</p>"""

NOTHING = np.zeros((0, 0), np.float32)


class ResultView(Card):
    """Args: export: asks for a file name; speak: speaks the text on the page."""

    def __init__(
        self, session: Session, requests: Requests, export: Callable[[], object], speak: Callable[[], object],
        parent: QWidget | None = None,
    ) -> None:  # fmt: skip
        super().__init__("Result", "3", parent)
        self._session, self._requests = session, requests
        self._in_progress = False  # a request, whose result will replace the one on display
        self._reference_mel = NOTHING  # on display
        self._playable = True  # the reference: it is the chosen voice's
        self._shown: Result | None = None  # whose pictures are on display
        self.play_button = button(
            "&Play", "Play or stop the result, or the selected part of it", self.play_or_stop, "play", False, "Ctrl+P"
        )
        self.export_button = button("E&xport...", "Save the audio as wav, flac or ogg", export, "", False, "Ctrl+E")
        self.head.addWidget(self.play_button)
        self.head.addWidget(self.export_button)
        self.axis = axis = TimeAxis(self)
        self.waveform = Waveform("Waveform of the result", "The waveform of the result", axis=axis)
        self.mel = HeatMap("Mel spectrogram of the result", "mel", "The mel spectrogram of the result", axis)
        self.alignment = HeatMap(
            "Alignment: good if it is a diagonal line", "text", "The alignment of text and speech", axis
        )
        self.reference = HeatMap("Mel spectrogram of the reference", "mel", "The mel spectrogram of the reference")
        self.embeddings = EmbeddingMap("The reference"), EmbeddingMap("The result")
        self.figure_label, self.figure = QLabel("Similarity"), QLabel()
        self.facts, self.remarks = selectable(), selectable()
        self.pages = QStackedWidget()
        self.pages.addWidget(self._welcome(speak))
        self.pages.addWidget(self._pictures())
        self.column.addWidget(self.pages, 1)
        for canvas in (self.waveform, self.mel, self.alignment):
            canvas.sought.connect(lambda seconds: self._seek("result", seconds))
            canvas.play_pressed.connect(lambda: self.play_or_stop(axis.cursor))
        self.reference.sought.connect(lambda seconds: self._seek("reference", seconds))
        self.reference.play_pressed.connect(lambda: self._seek("reference", self.reference.axis.cursor))
        session.voices.changed.connect(self._show_reference)
        session.playback_moved.connect(self._move_playhead)
        session.playing_changed.connect(self._show_playing)
        requests.started.connect(self._begin)
        requests.lines_changed.connect(lambda lines: self._show_lines(lines))
        requests.audio_added.connect(self._add_audio)
        requests.result_changed.connect(self.show_result)
        self._show_playing("")
        self.show_result()

    def _welcome(self, speak: Callable[[], object]) -> QWidget:
        page = QWidget()
        text = QLabel(WELCOME)
        text.setWordWrap(True)
        self.first_button = button("Speak the text", "Speak the text with the chosen voice", speak, "play", True)
        note = faint("Everything is computed on this machine. Your recordings and texts do not leave it.")
        column = QVBoxLayout(page)
        column.addStretch(1)
        column.addWidget(text)
        column.addSpacing(8)
        column.addLayout(row(self.first_button, None))
        column.addSpacing(8)
        column.addWidget(note)
        column.addStretch(2)
        return page

    def _pictures(self) -> QWidget:
        page = QWidget()
        self.figure.setObjectName("figure")
        self.figure.setToolTip(
            "Cosine similarity of the speaker embeddings of result and reference, from -1 to 1. Two recordings of the "
            "same person reach about 0.86."
        )
        self.splitter = QSplitter(Qt.Vertical)
        self.splitter.setChildrenCollapsible(False)
        self.splitter.setHandleWidth(5)
        for part, stretch in ((self.waveform, 2), (self.mel, 3), (self.alignment, 3), (self.reference, 2)):
            self.splitter.addWidget(part)
            self.splitter.setStretchFactor(self.splitter.count() - 1, stretch)
        column = QVBoxLayout(page)
        column.setContentsMargins(0, 0, 0, 0)
        line = FlowLayout(beside(self.figure_label, self.figure))
        for canvas, caption in zip(self.embeddings, ("Reference", "Result"), strict=True):
            canvas.setToolTip(f"{caption}: the speaker embedding as colours")
            canvas.setFixedSize(*EMBEDDING_PIXELS)
            label = QLabel(caption)
            label.setObjectName("faint")
            line.addWidget(beside(label, canvas))
        texts = QVBoxLayout()
        texts.setSpacing(0)
        texts.addWidget(self.facts)
        texts.addWidget(self.remarks)
        column.addLayout(line)
        column.addLayout(texts)
        column.addWidget(self.splitter, 1)
        return page

    # --- in progress

    def _begin(self, text: str) -> None:
        self._in_progress, self._shown = True, None
        self._show_reference()
        self.pages.setCurrentIndex(1)
        self.waveform.clear()
        self.mel.clear()
        self.alignment.clear()
        self.embeddings[1].show_embedding(None)
        self.figure.setText("")
        self.figure_label.hide()
        self.facts.setText(" ".join(text.split())[:120])
        self.remarks.hide()
        self._enable(False)

    def _show_lines(self, lines: list[Line], seconds: float | None = None) -> None:
        """Args: seconds: their length, if there is audio of all of them."""
        if seconds is None:
            seconds = sum(line.mel.shape[1] for line in lines) / FRAMES_PER_SECOND + BREAK_SECONDS * (len(lines) - 1)
        self.mel.show_values(np.concatenate([line.mel for line in lines], axis=1), seconds, MEL_RANGE)
        self.alignment.show_values(joined_alignment([line.alignment for line in lines]), seconds)

    def _add_audio(self, wav: np.ndarray, sample_rate: int) -> None:
        if not self.waveform.has_picture():
            self.waveform.clear(sample_rate)
        self.waveform.append(wav)
        self.play_button.setEnabled(True)  # to stop it

    # --- finished

    def show_result(self) -> None:
        """Show the current result, or the welcome page."""
        self._in_progress = False
        result = self._requests.result
        self.pages.setCurrentIndex(0 if result is None else 1)
        self._enable(result is not None)
        if result is None:
            self._show_reference()
            return
        if result is not self._shown:  # or else the theme has changed, and zoom and selection stay
            self._shown = result
            self.waveform.show_audio(result.wav, result.sample_rate)
            self._show_lines(list(result.lines), result.seconds if len(result.wav) else None)
            self.embeddings[1].show_embedding(result.embedding)
        self._show_facts(result)
        self._show_reference()

    def _show_facts(self, result: Result) -> None:
        similarity = result.similarity
        self.figure.setText("" if similarity is None else f"{similarity:.2f}")
        self.figure_label.setVisible(similarity is not None)
        vocoder = result.models.get("vocoder", "no vocoder yet").split(".")[0]
        what = f"{result.seconds:.1f} s of speech" if len(result.wav) else "mel spectrogram only"
        facts = [f"{what}, generated in {result.seconds_taken:.1f} s", *result.settings.changes(),
                 f"seed {result.seed}", vocoder]  # fmt: skip
        self.facts.setText(f"{result.voice.name}: {', '.join(facts)}")
        remarks = result.remarks
        theme = style.current()
        self.remarks.setText("; ".join(remarks) if remarks else "The whole text was spoken, in order.")
        self.remarks.setStyleSheet(f"color: {theme.warning if remarks else theme.good};")
        self.remarks.show()

    def _show_reference(self) -> None:
        """The reference of the result on display; while there is none, the chosen voice."""
        chosen, result = self._session.voices.chosen, self._requests.result
        same = chosen is not None and (result is None or _same_voice(chosen.voice, result.voice))
        if result is None or self._in_progress:
            voice, mel = (None, NOTHING) if chosen is None else (chosen.voice, chosen.mel)
        else:
            voice, mel = result.voice, result.reference
            if not mel.size and same and chosen is not None:
                mel = chosen.mel
        self._playable = same or self._in_progress
        name = voice.name if voice is not None else ""
        self.reference.set_name("Mel spectrogram of the reference" + f" ({name})" * bool(name))
        self.reference.setToolTip(HINT if self._playable else "Choose this voice to play it")
        self.embeddings[0].show_embedding(None if voice is None else voice.embedding)
        if mel is not self._reference_mel:
            self._reference_mel = mel
            self.reference.clear()
            self.reference.show_values(mel, mel.shape[1] / FRAMES_PER_SECOND, MEL_RANGE)

    def _enable(self, there: bool) -> None:
        audio = there and self._requests.result is not None and len(self._requests.result.wav) > 0
        self.play_button.setEnabled(audio)
        self.export_button.setEnabled(audio)

    # --- playback

    def play_or_stop(self, start: float = 0.0) -> None:
        """Play the selected part, or from `start` if nothing is selected; or stop playback."""
        if self._session.playing in ("result", "reference"):
            self._session.stop_playing()
        elif self.axis.selection is not None:
            self._requests.play(*self.axis.selection)
        else:
            self._requests.play(start)

    def _seek(self, what: str, seconds: float) -> None:
        chosen, result = self._session.voices.chosen, self._requests.result
        if what == "reference" and self._playable and chosen is not None and len(chosen.wav):
            part = self.reference.axis.selection or (seconds, None)
            self._session.play("reference", chosen.wav, 16_000, *part)
        elif what == "result" and result is not None and len(result.wav) and not self._requests.busy:
            self._requests.play(seconds)

    def _move_playhead(self, what: str, seconds: float) -> None:
        if what == "result":
            for canvas in (self.waveform, self.mel, self.alignment):
                canvas.set_playhead(seconds)
        elif what == "reference":
            self.reference.set_playhead(seconds)

    def _show_playing(self, what: str) -> None:
        if not what:
            for canvas in (self.waveform, self.mel, self.alignment, self.reference):
                canvas.set_playhead(None)
        playing = what in ("result", "reference")
        self.play_button.setText("&Stop" if playing else "&Play")
        self.play_button.setProperty("picture", "stop" if playing else "play")
        paint_icon(self.play_button)


def _same_voice(one: Voice, other: Voice) -> bool:
    return one.embedding_space == other.embedding_space and np.array_equal(one.embedding, other.embedding)
