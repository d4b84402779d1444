"""Free running with the timing of a recording."""

import numpy as np
import torch

from synthesizer.refiner.sampling import spoken_symbols
from synthesizer.tacotron.config import InferenceSettings
from synthesizer.tacotron.decoding import SentenceInput, free_run
from synthesizer.tacotron.model import Tacotron2
from synthesizer.tacotron.warping import decode_like, warping
from tests.synthesizer.toy import toy_config

SETTINGS = InferenceSettings(reduction_factor=2)


def patterns(lengths: list[int]) -> np.ndarray:
    """Different spectra, each for some frames: [80, frames]."""
    spectra = np.random.default_rng(0).uniform(-4, 4, (80, len(lengths))).astype(np.float32)
    return np.repeat(spectra, lengths, axis=1)


def test_a_mel_fits_itself():
    mel = patterns([1] * 20)
    first, last = warping(mel, mel)
    assert first.tolist() == last.tolist() == list(range(20))


def test_sounds_of_other_lengths_are_found():
    recorded, made = [3, 5, 2, 6], [4, 2, 3, 3]
    first, last = warping(patterns(recorded), patterns(made))
    sound, of_source = np.repeat(np.arange(4), recorded), np.repeat(np.arange(4), made)
    assert (of_source[first] == sound).all() and (of_source[last] == sound).all()
    assert (np.diff(first) >= 0).all() and first[0] == 0 and last[-1] == sum(made) - 1


def test_decoded_sentences_get_the_length_of_the_recording():
    torch.manual_seed(0)
    model = Tacotron2(toy_config()).eval().requires_grad_(False)
    voice = np.eye(256, dtype=np.float32)[0]
    sentences = [SentenceInput(np.arange(3, 9), voice, 1), SentenceInput(np.arange(5, 15), voice, 2)]
    recorded = [np.random.default_rng(frames).uniform(-4, 4, (80, frames)).astype(np.float32) for frames in (31, 60)]
    for one, sentence, mel in zip(decode_like(model, sentences, recorded, SETTINGS), sentences, recorded, strict=True):
        frames = mel.shape[1]
        assert one.mel.shape == mel.shape and one.symbols.shape == (frames,)
        assert set(one.symbols) <= set(sentence.symbols)


def test_a_recording_that_equals_the_result_changes_nothing():
    torch.manual_seed(0)
    model = Tacotron2(toy_config()).eval().requires_grad_(False)
    sentence = SentenceInput(np.arange(3, 9), np.eye(256, dtype=np.float32)[0], 1)
    (free,) = free_run(model, [sentence], SETTINGS, stage="postnet")
    (warped,) = decode_like(model, [sentence], [free.mel], SETTINGS)
    np.testing.assert_allclose(warped.mel, free.mel, atol=0.05)
    np.testing.assert_array_equal(warped.symbols, spoken_symbols(sentence.symbols, free.alignment, free.mel.shape[1]))
