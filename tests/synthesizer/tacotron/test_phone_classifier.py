"""The phone classifier: scores, training, and the choice between decodings of a sentence."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from speech.errors import ConfigError
from synthesizer.decoding_check import Decoded
from synthesizer.phone_classifier import FLOOR, STRIDE, PhoneClassifier, goodness_of_pronunciation
from synthesizer.refiner.data import RefinerBatches, RefinerItems
from synthesizer.refiner.flags import RefinerFlags
from synthesizer.tacotron import decoding
from synthesizer.tacotron.config import InferenceSettings, TacotronConfig
from synthesizer.tacotron.decoding import free_run
from synthesizer.tacotron.model import Tacotron2
from synthesizer.tacotron.phone_training import PhoneTask
from synthesizer.tacotron.refiner_mels import decode_recordings
from synthesizer.text.symbols import SYMBOLS
from tests.synthesizer.toy import HEADER, SETTINGS, sentences, toy_config, toy_run, toy_store

SIZES = {"phone_classifier_size": 16, "phone_classifier_layers": 2}
A, B, COMMA = (SYMBOLS.index(symbol) for symbol in ("a", "b", ","))
VOICES = torch.nn.functional.normalize(torch.randn(3, 256, generator=torch.Generator().manual_seed(0)), dim=1).numpy()
TEXTS = [np.random.default_rng(0).integers(2, 60, size) for size in (5, 12, 9)]
FOUR = replace(SETTINGS, candidates=4)


def toy_model() -> Tacotron2:
    torch.manual_seed(0)
    return Tacotron2(toy_config(**SIZES)).eval().requires_grad_(False)


class AlwaysA(nn.Module):
    """Finds the symbol "a" in every frame, with a probability of 0.9."""

    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Linear(1, 1)

    def forward(self, mel: Tensor) -> Tensor:
        probabilities = torch.full((1, -(-mel.shape[1] // STRIDE), len(SYMBOLS)), 0.1 / (len(SYMBOLS) - 1))
        probabilities[:, :, A] = 0.9
        return probabilities.log()


def spoken(*tokens: int, count: int) -> Decoded:
    """Two steps of two frames on each of these tokens of a sentence with `count` tokens."""
    alignment = np.zeros((count, 2 * len(tokens)), np.float32)
    for number, token in enumerate(tokens):
        alignment[token, 2 * number : 2 * number + 2] = 1
    return Decoded(np.zeros((80, 4 * len(tokens)), np.float32), alignment, True)


@pytest.mark.parametrize(
    ("symbols", "attended", "expected"),
    [
        ([A, A], (0, 1), np.log(0.9)),
        ([A, COMMA], (0, 1), np.log(0.9)),  # a comma is not pronounced
        ([A, B], (0, 1), np.log(0.1 / (len(SYMBOLS) - 1))),
        ([A, B, A], (0, 1, 2), (np.log(0.9) + np.log(0.1 / (len(SYMBOLS) - 1))) / 2),
        ([A, A], (0,), FLOOR),  # the second one is missing
        ([COMMA], (0,), 0.0),
    ],
)
def test_goodness_is_the_mean_log_probability_of_the_worse_half_of_the_phones(symbols, attended, expected):
    decoded = spoken(*attended, count=len(symbols))
    assert goodness_of_pronunciation(AlwaysA(), decoded, np.array(symbols)) == pytest.approx(expected, abs=1e-5)  # type: ignore[arg-type]


def test_an_output_depends_on_the_frames_around_it_only():
    torch.manual_seed(0)
    classifier, mel = PhoneClassifier(toy_config(**SIZES)).eval(), torch.randn(1, 61, 80)
    with torch.no_grad():
        whole, part = classifier(mel), classifier(mel[:, 20:])
    assert whole.shape == (1, 31, len(SYMBOLS))
    assert torch.allclose(whole[:, 20:], part[:, 10:], atol=1e-5)


def test_one_batch_is_learnt(tmp_path):
    model, store = toy_model(), toy_store(tmp_path / "store")
    every = list(range(len(store)))
    settings = InferenceSettings(reduction_factor=2)
    generated = decode_recordings(model, store, every, settings, tmp_path / "decoded", "a", lambda items, _: items)
    items = RefinerItems(store, generated, every, RefinerFlags(rows=4, frames=32, reference_frames=32))
    task = PhoneTask(model, items, TacotronConfig(model.config), HEADER)
    task.classifier.requires_grad_(True)
    batch = RefinerBatches(items, seed=0).batch_at(0)
    optimizer = torch.optim.Adam(task.classifier.parameters(), 1e-2)
    before, losses = task.validate(0, toy_run()), []
    for step in range(60):
        result = task.step(batch, step, torch.Generator().manual_seed(step))
        optimizer.zero_grad()
        result["loss"].backward()
        optimizer.step()
        losses.append(float(result["loss"].detach()))
    assert losses[-1] < 0.5 * losses[0] and float(result["right"]) > 0.3
    after = task.validate(60, toy_run())
    assert (
        set(before)
        == set(after)
        == {f"{what}_{of}" for what in ("validation", "right") for of in ("recorded", "decoded")}
    )
    assert after["right_recorded"] > before["right_recorded"]


def test_the_best_candidate_is_kept(monkeypatch):
    model = toy_model()
    given = sentences(TEXTS, VOICES)
    alone = [free_run(model, [replace(one, seed=one.seed + k) for one in given], SETTINGS) for k in range(4)]
    wanted = [2, 0, 3]

    def goodness(classifier: PhoneClassifier, decoded: Decoded, symbols: np.ndarray) -> float:
        row = next(k for k, text in enumerate(TEXTS) if len(text) == len(symbols))
        return float(np.array_equal(decoded.alignment, alone[wanted[row]][row].alignment))

    monkeypatch.setattr(decoding, "goodness_of_pronunciation", goodness)
    for row, kept in enumerate(free_run(model, given, FOUR)):
        np.testing.assert_array_equal(kept.mel, alone[wanted[row]][row].mel)


def test_candidates_do_not_depend_on_the_batch():
    model = toy_model()
    given = sentences(TEXTS, VOICES)
    together = free_run(model, given, FOUR)
    for sentence, one in zip(given, together, strict=True):
        np.testing.assert_array_equal(free_run(model, [sentence], FOUR)[0].mel, one.mel)


@pytest.mark.parametrize("candidates", [0, 17])
def test_impossible_numbers_of_candidates_are_refused(candidates):
    with pytest.raises(ConfigError, match="candidates"):
        InferenceSettings(candidates=candidates)
