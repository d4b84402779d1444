"""How well one reading of a sentence went: what of it was read, how, and in plain words what is wrong with it.

A reading is judged by its alignment and by its mel. The limits lie beyond what natural recordings reach, alone or read
along by a trained model, so that they belong to speech and not to one model. In doubt a reading passes: a false alarm
costs readings and trust, and a fault that is heard is one more seed away.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from speech.mel import MelConfig
from synthesizer.alignment_score import MINIMUM_FOCUS, AlignmentReport, alignment_report, words_missed
from synthesizer.pacing import LONGEST_PAUSE_SECONDS, frame_levels, loudest, silences
from synthesizer.splitting import Word, breaks_of, words_of
from synthesizer.tacotron.decoding import Decoded
from synthesizer.text.transcript import Transcript

LONGEST_SOUND_SECONDS = 1.0  # natural readings hold none for more than 0.4
FASTEST, SLOWEST = 19.5, 4.0  # sounds a second without silences; 2,484 natural clips lie between 6.0 and 18.9
FEWEST_SOUNDS = 10  # a rate says nothing about a text shorter than this
SILENT_DECIBELS = -60.0  # the level of speech is around -30
WORDS_NAMED = 5


@dataclass(frozen=True)
class Verdict:
    """What is known of a reading.

    Attributes:
        report: of its alignment.
        missed: words that were not read, as written.
        dead_air: seconds of its pauses beyond what a reader makes; they can be cut out, so that they are no fault.
        longest_sound: seconds for which one token was held while something sounded.
        rate: sounds (phonemes or letters) a second of speech; None where the text is too short to tell.
        silent: there is nothing to be heard.
        stuck: the token from which it first jumped, or else on which it stood longest; None if nothing went wrong.
        in_pause: it did not jump, but stood too long where a reader pauses.
        score: 0 to 1, see `judge`.
        remarks: a plain phrase for each fault.
    """

    report: AlignmentReport
    missed: tuple[str, ...]
    dead_air: float
    longest_sound: float
    rate: float | None
    silent: bool
    stuck: int | None
    in_pause: bool
    score: float
    remarks: tuple[str, ...]

    @property
    def ok(self) -> bool:
        return not self.remarks


def judge(decoded: Decoded, transcript: Transcript, config: MelConfig) -> Verdict:
    """Judge one reading of a transcript, encoded as phonemes where they are known.

    The score is the share of the text that was read (of its tokens or of its words, whichever is less), divided by one
    more than the number of faults: backward jumps, an end not reached, a stop that did not come, a sound held on to, a
    rate that nobody speaks at. It is 0 where nothing is to be heard.
    """
    words = words_of(transcript)
    report = alignment_report(decoded.alignment, decoded.stopped)
    missed = words_missed(decoded.alignment, [(word.first, word.last) for word in words])
    quiet = _quiet_steps(decoded, config)
    path = decoded.alignment.argmax(axis=0) if decoded.alignment.size else np.zeros(0, int)
    seconds_per_step = decoded.mel.shape[1] / max(len(path), 1) / config.frames_per_second
    tokens = decoded.alignment.shape[0]
    held, holder = _longest_hold(path, ~quiet & (path < tokens - 1))
    rate = _rate(words, missed, np.count_nonzero(~quiet) * seconds_per_step)
    silent = loudest(frame_levels(decoded.mel, config), config) < SILENT_DECIBELS
    hangs = held * seconds_per_step > LONGEST_SOUND_SECONDS
    odd_rate = rate is not None and not SLOWEST <= rate <= FASTEST

    read = min(report.coverage, 1 - len(missed) / max(len(words), 1))
    faults = report.backward_jumps + (not report.reached_end) + (not report.stopped) + hangs + odd_rate
    stuck = report.trouble
    if stuck is None:  # where it stood longest, sound or not
        stuck = _longest_hold(path, path < tokens - 1)[1]
    names = tuple(words[number].spelling for number in missed)
    phrases = [
        (silent, "nothing is to be heard"),
        (bool(names), f"{_listed(names)} {'is' if len(names) == 1 else 'are'} probably missing"),
        (not names and not report.ok and report.coverage < 0.9, f"{1 - report.coverage:.0%} of the text was skipped"),
        (not names and not report.reached_end, "the end is probably cut off"),
        (report.backward_jumps > 0, f"something is probably said twice{_near(words, report.trouble)}"),
        (hangs, f"one sound is held for {held * seconds_per_step:.1f} s{_near(words, holder)}"),
        (odd_rate, f"it is spoken implausibly {'fast' if (rate or 0) > FASTEST else 'slowly'}"),
        (report.focus < MINIMUM_FOCUS, "the words are probably blurred"),
        (not names and not report.stopped, "it did not stop by itself: its end may be noise or silence"),
    ]
    remarks = tuple(phrase for happened, phrase in phrases if happened)
    return Verdict(
        report=report,
        missed=names,
        dead_air=dead_air(decoded, config),
        longest_sound=held * seconds_per_step,
        rate=rate,
        silent=bool(silent),
        stuck=stuck if remarks else None,
        in_pause=bool(remarks) and report.trouble is None and stuck is not None and breaks_of(transcript)[stuck],
        score=0.0 if silent else round(read / (1 + faults), 4),
        remarks=remarks,
    )


def dead_air(decoded: Decoded, config: MelConfig) -> float:
    """Seconds of the silences inside a mel that are longer than any pause that a reader makes."""
    inside = (len(silence) for silence in silences(decoded.mel, config) if silence.where == "inside")
    longest = LONGEST_PAUSE_SECONDS * config.frames_per_second
    return sum(max(0.0, frames - longest) for frames in inside) / config.frames_per_second


def _quiet_steps(decoded: Decoded, config: MelConfig) -> NDArray[np.bool_]:
    """Steps in which nothing sounds: bool [steps]."""
    frames, steps = decoded.mel.shape[1], decoded.alignment.shape[1]
    quiet = np.zeros(frames, bool)
    for silence in silences(decoded.mel, config):
        quiet[silence.first : silence.last] = True
    factor = max(1, frames // max(steps, 1))
    whole: NDArray[np.bool_] = np.all(quiet[: steps * factor].reshape(steps, factor), axis=1)
    return whole


def _longest_hold(path: NDArray[np.int64], counted: NDArray[np.bool_]) -> tuple[int, int | None]:
    """The most counted steps in a row that stay on one token, and that token. path, counted: [steps]."""
    longest, token, run = 0, None, 0
    for step, place in enumerate(path):
        run = (run + 1 if step and place == path[step - 1] else 1) if counted[step] else 0
        if run > longest:
            longest, token = run, int(place)
    return longest, token


def _rate(words: Sequence[Word], missed: Sequence[int], seconds: float) -> float | None:
    sounds = sum(word.last - word.first for number, word in enumerate(words) if number not in missed)
    return sounds / seconds if sounds >= FEWEST_SOUNDS and seconds > 0 else None


def _listed(words: Sequence[str]) -> str:
    named = " ".join(words[:WORDS_NAMED])
    more = len(words) - WORDS_NAMED
    return f'"{named}"' if more <= 0 else f'"{named}" and {more} more word{"s" if more > 1 else ""}'


def _near(words: Sequence[Word], token: int | None) -> str:
    """' near "word"' for the word at or before a token; nothing if there is none."""
    before = [word for word in words if token is not None and word.first <= token]
    return f' near "{before[-1].spelling}"' if before else ""
