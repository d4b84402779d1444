"""Check a decoded sentence: how much of the text was spoken, how, and which faults to report.

The check uses the alignment and the mel. Its limits lie outside the range that was measured on natural recordings, in
part with alignments by teacher forcing. So they hold for speech in general and not for one model. In doubt a sentence
passes: a false alarm costs retries, and a missed fault can be fixed with a different seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from speech.mel_config import MelConfig
from synthesizer.alignment_score import MINIMUM_FOCUS, AlignmentReport, alignment_report, words_missed
from synthesizer.pacing import LONGEST_PAUSE_SECONDS, frame_levels, loudest, silences
from synthesizer.speech_likeness import unlike_speech
from synthesizer.splitting import Word, breaks_of, words_of
from synthesizer.text.transcript import Transcript

LONGEST_HOLD_SECONDS = 1.0  # at most 0.4 in natural speech
FASTEST, SLOWEST = 19.5, 4.0  # symbols per second without silences; 2,484 natural clips lie between 6.0 and 18.9
FEWEST_SYMBOLS = 10  # a shorter text has no meaningful rate
IMPOSSIBLY_FAST, IMPOSSIBLY_SLOW = 30.0, 2.0  # the same for speech that nobody would understand
EQUAL_DURATIONS = 0.1  # standard deviation of the tokens' durations, relative to their mean; 0.32 and more in speech
FEWEST_STEPS = 1.5  # per token; with fewer, durations are equal because steps are coarse
SILENT_DECIBELS = -60.0  # the level of speech is around -30
WORDS_NAMED = 5


@dataclass(frozen=True)
class Decoded:
    """One decoded sentence.

    Attributes:
        mel: float32 [n_mels, frames], dB scaled to [-4, 4].
        alignment: float32 [tokens, steps].
        stopped: false if it ran into the limit on its length.
        wav: float32 [frames * hop], the audio of an end-to-end model, whose mel is `mel`; None for other models.
    """

    mel: NDArray[np.float32]
    alignment: NDArray[np.float32]
    stopped: bool
    wav: NDArray[np.float32] | None = None


@dataclass(frozen=True)
class DecodingCheck:
    """Result of `check_decoding`.

    Attributes:
        report: of the alignment.
        missed: words that were not spoken, as written.
        excess_pause: seconds of pauses beyond the longest natural pause; they can be cut out, so they are no fault.
        longest_hold: longest time in seconds on one token while there is speech.
        rate: symbols (phonemes or letters) per second of speech; None for a very short text.
        silent: the mel has no speech in it.
        unlike_speech: why the mel cannot be speech; "" if it can. Decoding it in another way does not help.
        unintelligible: why it is probably unintelligible, from the mel or the durations; "" if it is not.
        stuck: the token where attention first jumped, else the one it stayed on longest; None if nothing went wrong.
        in_pause: attention did not jump but stayed too long at a pause.
        score: 0 to 1, see `check_decoding`.
        remarks: one phrase for each fault.
    """

    report: AlignmentReport
    missed: tuple[str, ...]
    excess_pause: float
    longest_hold: float
    rate: float | None
    silent: bool
    unlike_speech: str
    unintelligible: str
    stuck: int | None
    in_pause: bool
    score: float
    remarks: tuple[str, ...]

    @property
    def ok(self) -> bool:
        return not self.remarks


def check_decoding(decoded: Decoded, transcript: Transcript, config: MelConfig) -> DecodingCheck:
    """Check one decoding of a transcript, encoded as phonemes where they are known.

    The score is the fraction of the text that was spoken (of its tokens or of its words, whichever is less), divided
    by one more than the number of faults: backward jumps, end not reached, no stop, a held token, an implausible rate.
    It is 0 for silence and for what is probably unintelligible.
    """
    words = words_of(transcript)
    report = alignment_report(decoded.alignment, decoded.stopped)
    missed = words_missed(decoded.alignment, [(word.first, word.last) for word in words])
    quiet = _quiet_steps(decoded, config)
    path = decoded.alignment.argmax(axis=0) if decoded.alignment.size else np.zeros(0, int)
    seconds_per_step = decoded.mel.shape[1] / max(len(path), 1) / config.frames_per_second
    tokens = decoded.alignment.shape[0]
    held, held_token = _longest_hold(path, ~quiet & (path < tokens - 1))
    rate = _rate(words, missed, np.count_nonzero(~quiet) * seconds_per_step)
    silent = loudest(frame_levels(decoded.mel, config), config) < SILENT_DECIBELS
    unlike = "" if silent else unlike_speech(decoded.mel, config)
    unintelligible = unlike or _implausible_durations(path, words, rate)
    hangs = held * seconds_per_step > LONGEST_HOLD_SECONDS
    odd_rate = rate is not None and not SLOWEST <= rate <= FASTEST

    spoken = min(report.coverage, 1 - len(missed) / max(len(words), 1))
    faults = report.backward_jumps + (not report.reached_end) + (not report.stopped) + hangs + odd_rate
    stuck = report.first_jump
    if stuck is None:  # where attention stayed longest, in speech or silence
        stuck = _longest_hold(path, path < tokens - 1)[1]
    names = tuple(words[number].spelling for number in missed)
    phrases = [
        (silent, "there is no speech in it"),
        (bool(unintelligible), f"it is probably unintelligible: {unintelligible}"),
        (bool(names), f"{_listed(names)} {'is' if len(names) == 1 else 'are'} probably missing"),
        (not names and not report.ok and report.coverage < 0.9, f"{1 - report.coverage:.0%} of the text was skipped"),
        (not names and not report.reached_end, "the end is probably cut off"),
        (report.backward_jumps > 0, f"something is probably said twice{_near(words, report.first_jump)}"),
        (hangs, f"one sound is held for {held * seconds_per_step:.1f} s{_near(words, held_token)}"),
        (odd_rate, f"it is implausibly {'fast' if (rate or 0) > FASTEST else 'slow'}"),
        (report.focus < MINIMUM_FOCUS, "the words are probably unclear"),
        (not names and not report.stopped, "it did not stop by itself: its end may be noise or silence"),
    ]
    remarks = tuple(phrase for happened, phrase in phrases if happened)
    return DecodingCheck(
        report=report,
        missed=names,
        excess_pause=excess_pause(decoded, config),
        longest_hold=held * seconds_per_step,
        rate=rate,
        silent=bool(silent),
        unlike_speech=unlike,
        unintelligible=unintelligible,
        stuck=stuck if remarks else None,
        in_pause=bool(remarks) and report.first_jump is None and stuck is not None and breaks_of(transcript)[stuck],
        score=0.0 if silent or unintelligible else round(spoken / (1 + faults), 4),
        remarks=remarks,
    )


def excess_pause(decoded: Decoded, config: MelConfig) -> float:
    """Seconds of the silences inside a mel beyond the longest natural pause."""
    inside = (len(silence) for silence in silences(decoded.mel, config) if silence.where == "inside")
    longest = LONGEST_PAUSE_SECONDS * config.frames_per_second
    return sum(max(0.0, frames - longest) for frames in inside) / config.frames_per_second


def _quiet_steps(decoded: Decoded, config: MelConfig) -> NDArray[np.bool_]:
    """Steps that are silent: bool [steps]."""
    frames, steps = decoded.mel.shape[1], decoded.alignment.shape[1]
    quiet = np.zeros(frames, bool)
    for silence in silences(decoded.mel, config):
        quiet[silence.first : silence.last] = True
    factor = max(1, frames // max(steps, 1))
    whole: NDArray[np.bool_] = np.all(quiet[: steps * factor].reshape(steps, factor), axis=1)
    return whole


def _longest_hold(path: NDArray[np.int64], counted: NDArray[np.bool_]) -> tuple[int, int | None]:
    """The most counted steps in a row that stay on one token, and that token. path, counted: [steps]."""
    longest, held, run = 0, None, 0
    for step, token in enumerate(path):
        run = (run + 1 if step and token == path[step - 1] else 1) if counted[step] else 0
        if run > longest:
            longest, held = run, int(token)
    return longest, held


def _rate(words: Sequence[Word], missed: Sequence[int], seconds: float) -> float | None:
    symbols = sum(word.last - word.first for number, word in enumerate(words) if number not in missed)
    return symbols / seconds if symbols >= FEWEST_SYMBOLS and seconds > 0 else None


def _implausible_durations(path: NDArray[np.int64], words: Sequence[Word], rate: float | None) -> str:
    """Why the durations cannot be those of speech, or "". path: token of each step, [steps]."""
    if rate is None:
        return ""
    if not IMPOSSIBLY_SLOW <= rate <= IMPOSSIBLY_FAST:
        return f"it has {rate:.1f} symbols a second"
    spoken = [token for word in words for token in range(word.first, word.last)]
    steps = np.bincount(path, minlength=spoken[-1] + 1)[spoken]
    if steps.mean() >= FEWEST_STEPS and steps.std() < EQUAL_DURATIONS * steps.mean():
        return "all its sounds have the same duration"
    return ""


def _listed(words: Sequence[str]) -> str:
    named = " ".join(words[:WORDS_NAMED])
    more = len(words) - WORDS_NAMED
    return f'"{named}"' if more <= 0 else f'"{named}" and {more} more word{"s" if more > 1 else ""}'


def _near(words: Sequence[Word], token: int | None) -> str:
    """' near "word"' for the word at or before a token; nothing if there is none."""
    before = [word for word in words if token is not None and word.first <= token]
    return f' near "{before[-1].spelling}"' if before else ""
