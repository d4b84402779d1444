"""The ladder, with a decoder that fails as it is told to, and with toy models."""

import numpy as np
import pytest
import torch

from synthesizer.tacotron import supervisor as module
from synthesizer.tacotron.attention import MASKED_ENERGY
from synthesizer.tacotron.decoding import Decoded, DecodingCancelled, free_run
from synthesizer.tacotron.model import Tacotron2
from synthesizer.tacotron.supervisor import SEED, SENTENCES_PER_PASS, SPLIT, WINDOW, WINDOWED, Supervisor, Task
from synthesizer.text.front_end import text_to_transcript
from synthesizer.text.transcript import encode
from tests.synthesizer.readings import reading
from tests.synthesizer.toy import toy_config

VOICE = np.full(256, 1 / 16, np.float32)
PAUSED = "hello there, this is streamed."
PLAIN = "the cat sat on the mat."


class Decoder:
    """Stands for `free_run`. `good(text, window, number)` says whether a call's reading of a text is a good one."""

    def __init__(self, good, texts) -> None:
        self.good = good
        self.known = {encode(t, 1.0).tobytes(): t for t in map(text_to_transcript, texts)}
        self.calls: list[tuple[list[str], tuple[int, int] | None, list[int]]] = []
        self.count = 0

    def __call__(
        self,
        model,
        texts,
        embeddings,
        seeds,
        progress=None,
        cancelled=None,
        window=None,
        pitch_ranges=(),
        rises=(),
        middles=(),
    ):
        assert len(texts) == len(embeddings) == len(seeds) == len(pitch_ranges) == len(rises) <= SENTENCES_PER_PASS
        transcripts = [self.known[text.tobytes()] for text in texts]
        self.calls.append(([t.text for t in transcripts], window, list(seeds)))
        self.count += 1
        return [self._read(t, window) for t in transcripts]

    def _read(self, transcript, window) -> Decoded:
        how = self.good(transcript.text, window, self.count)
        if how is True:
            return reading(transcript)
        tokens = len(encode(transcript, 1.0))
        stop = transcript.text.find(",") + 1 if how == "pause" else tokens // 2
        if how == "pause":  # never comes out of the blank behind the comma
            ids = encode(text_to_transcript(transcript.text[:stop]), 1.0)
            path = np.concatenate([np.repeat(np.arange(len(ids)), 2), np.full(60, len(ids) - 1)])
        else:  # jumps from the middle back to the start
            path = np.concatenate([np.repeat(np.arange(stop), 2), np.repeat(np.arange(tokens), 2)])
        return reading(transcript, path, stopped=how != "pause")


@pytest.fixture
def climb(monkeypatch):
    model = Tacotron2(toy_config()).eval()

    def run(good, *texts, pieces=()):
        decoder = Decoder(good, [*texts, *pieces])
        monkeypatch.setattr(module, "free_run", decoder)
        tasks = [Task(text_to_transcript(text), VOICE, (7, k)) for k, text in enumerate(texts)]
        told: list[int] = []
        return Supervisor(model).read(tasks, told.append), decoder, told

    return run


def test_what_is_read_well_is_read_once_in_bounded_groups(climb):
    texts = ["one " * (k % 5 + 1) + "end." for k in range(20)]
    outcomes, decoder, told = climb(lambda *_: True, *texts)
    assert [len(call[0]) for call in decoder.calls] == [8, 8, 4]
    assert told == [8, 16, 20]
    lengths = [len(text) for call in decoder.calls for text in call[0]]
    assert lengths == sorted(lengths)
    assert [outcome.parts[0].transcript.text for outcome in outcomes] == texts  # in their own order again
    assert all((o.ok, o.attempts, o.rungs, o.taken) == (True, 1, (), "") for o in outcomes)


def test_only_what_failed_climbs_and_a_new_seed_comes_first(climb):
    outcomes, decoder, _ = climb(lambda text, _, call: text != PLAIN or call > 1 or "jump", PLAIN, PAUSED)
    assert [call[0] for call in decoder.calls] == [[PLAIN, PAUSED], [PLAIN]]
    assert decoder.calls[0][2][0] != decoder.calls[1][2][0]
    assert (outcomes[0].ok, outcomes[0].attempts, outcomes[0].rungs, outcomes[0].taken) == (True, 2, (SEED,), SEED)
    assert outcomes[1].attempts == 1


def test_a_stall_in_a_pause_goes_straight_to_the_split(climb):
    pieces = ["hello there,", "this is streamed."]
    outcomes, decoder, _ = climb(lambda text, *_: "pause" if text == PAUSED else True, PAUSED, pieces=pieces)
    assert [sorted(call[0]) for call in decoder.calls] == [[PAUSED], pieces]
    (outcome,) = outcomes
    assert (outcome.ok, outcome.attempts, outcome.rungs, outcome.taken) == (True, 3, (SPLIT,), SPLIT)
    assert [part.transcript.text for part in outcome.parts] == pieces
    assert [part.pauses_after for part in outcome.parts] == [True, True]


def test_attention_that_leaps_is_held_in_a_window_before_the_sentence_is_split(climb):
    outcomes, decoder, _ = climb(lambda _, window, __: window == WINDOW or "jump", PLAIN)
    (outcome,) = outcomes
    assert (outcome.ok, outcome.attempts, outcome.rungs, outcome.taken) == (True, 3, (SEED, WINDOWED), WINDOWED)
    assert [call[1] for call in decoder.calls] == [None, None, WINDOW]
    assert len(outcome.parts) == 1


def test_then_it_is_split(climb):
    halves = ["the cat sat,", "on the mat."]
    outcomes, _, _ = climb(lambda text, *_: text != PLAIN or "jump", PLAIN, pieces=halves)
    (outcome,) = outcomes
    assert (outcome.ok, outcome.attempts, outcome.rungs) == (True, 5, (SEED, WINDOWED, SPLIT))
    assert [part.transcript.text for part in outcome.parts] == halves
    assert [part.pauses_after for part in outcome.parts] == [False, True]  # no mark, no pause


def test_a_stall_that_pieces_do_not_cure_is_windowed_last(climb):
    pieces = ["hello there,", "this is streamed.", "hello,", "there,", "this,", "is streamed.", "this is,", "streamed."]
    outcomes, decoder, _ = climb(
        lambda text, window, _: (window is not None or "pause") if text == PAUSED else "jump", PAUSED, pieces=pieces
    )
    (outcome,) = outcomes
    assert outcome.ok and outcome.rungs == (SPLIT, WINDOWED) and outcome.taken == WINDOWED
    assert decoder.calls[-1][:2] == ([PAUSED], WINDOW)


def test_what_never_succeeds_keeps_its_best_reading(climb):
    outcomes, _, _ = climb(lambda *_: "jump", "unbelievable.")
    (outcome,) = outcomes
    assert outcome.rungs == (SEED, WINDOWED)  # one word cannot be split
    assert (outcome.ok, outcome.taken, outcome.attempts) == (False, "", 3)
    assert outcome.remarks
    assert 0 < outcome.score < 1


def test_seeds_of_a_sentence_and_its_pieces_are_all_different(climb):
    halves = ["the cat sat,", "on the mat."]
    quarters = ["the cat,", "sat,", "on the,", "mat.", "the,", "cat sat,", "on,", "the mat."]
    _, decoder, _ = climb(lambda *_: "jump", PLAIN, pieces=halves + quarters)
    seeds = [seed for call in decoder.calls for seed in call[2]]
    assert len(seeds) > 10 and len(set(seeds)) == len(seeds)


# --- with toy models --------------------------------------------------------------------------------------------------


def toy_model(**changes) -> Tacotron2:
    torch.manual_seed(0)
    return Tacotron2(toy_config(**changes)).eval().requires_grad_(False)


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


def test_a_sentence_in_a_batch_of_eight_is_what_it_is_alone():
    supervisor = Supervisor(toy_model())
    tasks = [Task(text_to_transcript(text), VOICE, (3, k)) for k, text in enumerate(TEXTS)]
    for task, together in zip(tasks, supervisor.read(tasks), strict=True):
        (alone,) = supervisor.read([task])
        assert (alone.rungs, alone.taken, alone.attempts) == (together.rungs, together.taken, together.attempts)
        for one, other in zip(alone.parts, together.parts, strict=True):
            np.testing.assert_allclose(one.decoded.mel, other.decoded.mel, atol=1e-4)
            np.testing.assert_allclose(one.decoded.alignment, other.decoded.alignment, atol=1e-4)


@pytest.mark.parametrize("attention", ["dynamic-convolution", "location-sensitive"])
@pytest.mark.parametrize("window", [None, WINDOW])
def test_padding_never_gets_attention(attention, window):
    model = toy_model(attention=attention)
    ids = [encode(text_to_transcript(text), 1.0) for text in TEXTS]
    for text, decoded in zip(
        ids, free_run(model, ids, np.repeat(VOICE[None], 8, 0), range(8), window=window), strict=True
    ):
        assert decoded.alignment.shape[0] == len(text)
        np.testing.assert_allclose(decoded.alignment.sum(axis=0), 1, atol=1e-5)  # so that nothing is left for padding
    memory, mask = torch.randn(2, 9, 16), torch.arange(9)[None] < torch.tensor([[9], [5]])
    state = model.attention.start(memory, mask)
    for _ in range(5):
        weights = state.step(torch.randn(2, 24))
        assert (weights[1, 5:] == 0).all()
    assert MASKED_ENERGY < -1e6


def test_cancelling_ends_it():
    with pytest.raises(DecodingCancelled):
        Supervisor(toy_model()).read([Task(text_to_transcript(PLAIN), VOICE, (1,))], cancelled=lambda: True)
