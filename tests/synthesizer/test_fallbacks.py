"""Fallback steps, with a stub decoder that fails on request, and with toy models."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from speech.errors import WorkCancelled
from speech.mel_config import MelConfig
from synthesizer.alignment_score import alignment_report
from synthesizer.decoding_check import Decoded, DecodingCheck
from synthesizer.fallbacks import SEED, SPLIT, WINDOWED, FallbackDecoder, Outcome, Part, SentenceRequest
from synthesizer.tacotron.model import Tacotron2
from synthesizer.text.front_end import text_to_transcript
from synthesizer.text.transcript import encode
from tests.synthesizer.toy import facade, toy_config
from tests.synthesizer.toy_decodings import gibberish, toy_decoding

VOICE = np.full(256, 1 / 16, np.float32)
PAUSED = "hello there, this is streamed."
PLAIN = "the cat sat on the mat."


class StubDecoder:
    """A model whose `good(text, windowed, number)` says whether the decoding of a text in a call is correct."""

    def __init__(self, good) -> None:
        self.good = good
        self.calls: list[tuple[list[str], bool, list[tuple[int, ...]]]] = []

    def __call__(self, requests, *, windowed=False, progress=None, cancelled=None) -> list[Decoded]:
        transcripts = [request.transcript for request in requests]
        self.calls.append(([t.text for t in transcripts], windowed, [request.seed for request in requests]))
        if progress is not None:
            progress(len(requests))
        return [self._decode(t, windowed) for t in transcripts]

    def _decode(self, transcript, windowed) -> Decoded:
        how = self.good(transcript.text, windowed, len(self.calls))
        if how is True:
            return toy_decoding(transcript)
        if how == "noise":
            good = toy_decoding(transcript)
            return replace(good, mel=gibberish("noise", good.mel.shape[1]))
        tokens = len(encode(transcript, 1.0))
        stop = transcript.text.find(",") + 1 if how == "pause" else tokens // 2
        if how == "pause":  # never leaves the space after the comma
            ids = encode(text_to_transcript(transcript.text[:stop]), 1.0)
            path = np.concatenate([np.repeat(np.arange(len(ids)), 2), np.full(60, len(ids) - 1)])
        else:  # jumps from the middle back to the start
            path = np.concatenate([np.repeat(np.arange(stop), 2), np.repeat(np.arange(tokens), 2)])
        return toy_decoding(transcript, path, stopped=how != "pause")


def decode(good, *texts):
    stub = StubDecoder(good)
    requests = [SentenceRequest(text_to_transcript(text), VOICE, (7, k)) for k, text in enumerate(texts)]
    reported: list[int] = []
    return FallbackDecoder(stub, MelConfig()).decode(requests, reported.append), stub, reported


def test_correct_sentences_are_decoded_once() -> None:
    texts = ["one " * (k % 5 + 1) + "end." for k in range(20)]
    outcomes, decoder, reported = decode(lambda *_: True, *texts)
    assert [call[0] for call in decoder.calls] == [texts] and reported == [20]
    assert [outcome.parts[0].transcript.text for outcome in outcomes] == texts
    assert all((o.ok, o.attempts, o.fallbacks, o.kept) == (True, 1, (), "") for o in outcomes)


def test_another_seed_comes_first_and_for_failed_sentences_only() -> None:
    outcomes, decoder, _ = decode(lambda text, _, call: text != PLAIN or call > 1 or "jump", PLAIN, PAUSED)
    assert [call[0] for call in decoder.calls] == [[PLAIN, PAUSED], [PLAIN]]
    assert decoder.calls[0][2][0] != decoder.calls[1][2][0]
    assert (outcomes[0].ok, outcomes[0].attempts, outcomes[0].fallbacks, outcomes[0].kept) == (True, 2, (SEED,), SEED)
    assert outcomes[1].attempts == 1


def test_sentence_stuck_in_a_pause_is_split_first() -> None:
    parts = ["hello there,", "this is streamed."]
    outcomes, decoder, _ = decode(lambda text, *_: "pause" if text == PAUSED else True, PAUSED)
    assert [sorted(call[0]) for call in decoder.calls] == [[PAUSED], parts]
    (outcome,) = outcomes
    assert (outcome.ok, outcome.attempts, outcome.fallbacks, outcome.kept) == (True, 3, (SPLIT,), SPLIT)
    assert [part.transcript.text for part in outcome.parts] == parts
    assert [part.pauses_after for part in outcome.parts] == [True, True]


def test_window_comes_before_splitting_if_attention_jumps() -> None:
    outcomes, decoder, _ = decode(lambda _, windowed, __: windowed or "jump", PLAIN)
    (outcome,) = outcomes
    assert (outcome.ok, outcome.attempts, outcome.fallbacks, outcome.kept) == (True, 3, (SEED, WINDOWED), WINDOWED)
    assert [call[1] for call in decoder.calls] == [False, False, True]
    assert len(outcome.parts) == 1


def test_splitting_comes_last_if_attention_jumps() -> None:
    halves = ["the cat sat,", "on the mat."]
    outcomes, _, _ = decode(lambda text, *_: text != PLAIN or "jump", PLAIN)
    (outcome,) = outcomes
    assert (outcome.ok, outcome.attempts, outcome.fallbacks) == (True, 5, (SEED, WINDOWED, SPLIT))
    assert [part.transcript.text for part in outcome.parts] == halves
    assert [part.pauses_after for part in outcome.parts] == [False, True]  # no punctuation, no pause


def test_window_comes_last_for_a_sentence_stuck_in_a_pause() -> None:
    outcomes, decoder, _ = decode(lambda text, windowed, _: (windowed or "pause") if text == PAUSED else "jump", PAUSED)
    (outcome,) = outcomes
    assert outcome.ok and outcome.fallbacks == (SPLIT, WINDOWED) and outcome.kept == WINDOWED
    assert decoder.calls[-1][:2] == ([PAUSED], True)


def test_best_attempt_is_kept_if_all_fail() -> None:
    outcomes, _, _ = decode(lambda *_: "jump", "unbelievable.")
    (outcome,) = outcomes
    assert outcome.fallbacks == (SEED, WINDOWED)  # one word cannot be split
    assert (outcome.ok, outcome.kept, outcome.attempts) == (False, "", 3)
    assert outcome.remarks
    assert 0 < outcome.score < 1


def test_gibberish_is_only_decoded_with_another_seed() -> None:
    outcomes, decoder, _ = decode(lambda *_: "noise", PLAIN, PAUSED)
    assert len(decoder.calls) == 2
    for outcome in outcomes:
        assert (outcome.ok, outcome.intelligible, outcome.score) == (False, False, 0)
        assert (outcome.fallbacks, outcome.attempts) == ((SEED,), 2)


def test_an_occasional_gibberish_sentence_is_mended() -> None:
    outcomes, _, _ = decode(lambda _, __, call: "noise" if call == 1 else True, PLAIN)
    assert (outcomes[0].ok, outcomes[0].intelligible, outcomes[0].kept) == (True, True, SEED)


def test_a_sentence_that_fails_in_many_ways_is_given_up() -> None:
    poor = DecodingCheck(
        alignment_report(np.eye(9), True), ("cat",), 0.0, 0.0, None, False, "", "", None, False, 0.2, ("it is slow",)
    )
    part = Part(text_to_transcript(PLAIN), toy_decoding(PLAIN), poor)
    few, many = Outcome((part,), attempts=3), Outcome((part,), attempts=4)
    assert few.intelligible and few.remarks == ("it is slow",)
    assert not many.intelligible and many.remarks == ("it is slow", "all 4 attempts failed")


def test_all_attempts_have_different_seeds() -> None:
    _, decoder, _ = decode(lambda *_: "jump", PLAIN)
    seeds = [seed for call in decoder.calls for seed in call[2]]
    assert len(seeds) > 10 and len(set(seeds)) == len(seeds)


# --- with toy models --------------------------------------------------------------------------------------------------

TEXTS = [
    "yes.",
    "no, thank you.",
    "a cat sat on the mat.",
    PAUSED,
    "i.",
    "well, well, well.",
    PLAIN,
    "good night to you all.",
]


def toy_decoder() -> FallbackDecoder:
    torch.manual_seed(0)
    return FallbackDecoder(facade(Tacotron2(toy_config())).decode, MelConfig())


def test_sentence_is_the_same_alone_and_in_a_batch_of_eight() -> None:
    decoder = toy_decoder()
    requests = [SentenceRequest(text_to_transcript(text), VOICE, (3, k)) for k, text in enumerate(TEXTS)]
    for request, together in zip(requests, decoder.decode(requests), strict=True):
        (alone,) = decoder.decode([request])
        assert (alone.fallbacks, alone.kept, alone.attempts) == (together.fallbacks, together.kept, together.attempts)
        for one, other in zip(alone.parts, together.parts, strict=True):
            np.testing.assert_allclose(one.decoded.mel, other.decoded.mel, atol=1e-4)
            np.testing.assert_allclose(one.decoded.alignment, other.decoded.alignment, atol=1e-4)


def test_cancelling_stops_decoding() -> None:
    with pytest.raises(WorkCancelled):
        toy_decoder().decode([SentenceRequest(text_to_transcript(PLAIN), VOICE, (1,))], cancelled=lambda: True)
