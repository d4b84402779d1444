"""The WaveRNN vocoder: folds, streams, engines and files."""

import logging
import subprocess
import sys
import time

import numpy as np
import pytest
import torch

from modelfile.checkpoint import save_model
from modelfile.header import ModelHeader
from speech.errors import ConfigError, ModelFileError, SpeechError, WorkCancelled
from speech.mel import MelConfig, synthesis_mel
from vocoder import Vocoder
from vocoder.control import Control
from vocoder.wavernn import inference
from vocoder.wavernn.config import WaveRNNConfig
from vocoder.wavernn.folding import Fold
from vocoder.wavernn.inference import WaveRNNVocoder
from vocoder.wavernn.model import build_wavernn
from vocoder.wavernn.sampling import TorchSampler, make_tape, open_tape


@pytest.fixture
def vocoder(toy_config) -> WaveRNNVocoder:
    torch.manual_seed(0)
    return WaveRNNVocoder(build_wavernn(toy_config()), engine="torch", licence="CC0", trained_on="nothing", step=7)


def random_mel(frames: int) -> np.ndarray:
    return np.random.default_rng(frames).uniform(-4, 4, (80, frames)).astype(np.float32)


# --- vocoding


def test_length_and_progress(vocoder):
    seen = []
    wav = vocoder.vocode_folds(random_mel(16), 2, seed=1, control=Control(lambda *progress: seen.append(progress)))
    assert wav.shape == (3200,) and wav.dtype == np.float32 and np.abs(wav).max() <= 1
    assert [done for done, _ in seen] == sorted(done for done, _ in seen) and seen[-1][0] == seen[-1][1]


def test_refinements_reduce_the_mel_error(toy_config, voice):
    mel, errors = synthesis_mel(voice(1.0)), []
    for refinements in (0, 1, 16):
        torch.manual_seed(0)
        vocoder = WaveRNNVocoder(build_wavernn(toy_config()), engine="compiled", refinements=refinements)
        wav = vocoder.vocode(mel, seed=1)
        assert wav.shape == (200 * mel.shape[1],)
        errors.append(float(np.abs(synthesis_mel(wav)[:, : mel.shape[1]] - mel).mean()))
    assert errors[0] > 2 * errors[1] > 2 * errors[2]


def test_refined_silence_is_silence(toy_config):
    vocoder = WaveRNNVocoder(build_wavernn(toy_config()), engine="torch", refinements=2)
    assert not vocoder.vocode(np.full((80, 5), -4, np.float32), seed=1).any()


def test_refinement_of_frames_that_overlap_by_half_or_less(toy_config):
    for n_fft, hop in ((1024, 200), (400, 200), (320, 200)):
        mel = MelConfig(n_fft=n_fft, win_length=n_fft, hop_length=hop)
        vocoder = WaveRNNVocoder(build_wavernn(toy_config(mel=mel)), engine="torch", refinements=2)
        wav = vocoder.vocode(random_mel(6), seed=1)
        assert wav.shape == (6 * hop,) and np.isfinite(wav).all()


def test_refinements_out_of_range_are_refused(toy_config):
    with pytest.raises(ConfigError, match="refinements"):
        WaveRNNVocoder(build_wavernn(toy_config()), refinements=-1)


def test_many_folds_are_sampled_in_batches(vocoder, monkeypatch):
    mel, seen = random_mel(40), []
    together = vocoder.vocode_folds(mel, 5, seed=2)
    monkeypatch.setattr(inference, "FOLDS_AT_ONCE", 2)
    in_batches = vocoder.vocode_folds(mel, 5, seed=2, control=Control(lambda *progress: seen.append(progress)))
    assert np.array_equal(in_batches, together)
    assert seen == sorted(seen) and seen[-1][0] == seen[-1][1] and len({total for _, total in seen}) == 1


def test_seeds(vocoder):
    mel = random_mel(2)
    assert np.array_equal(vocoder.vocode(mel, seed=5), vocoder.vocode(mel, seed=5))
    assert not np.array_equal(vocoder.vocode(mel, seed=5), vocoder.vocode(mel, seed=6))
    assert not np.array_equal(vocoder.vocode(mel), vocoder.vocode(mel))


@pytest.mark.parametrize(("shape", "mode"), [("compact", "raw"), ("compact", "mol"), ("classic", "raw")])
def test_stream_equals_one_fold(toy_config, shape, mode):
    torch.manual_seed(0)
    vocoder, seen = WaveRNNVocoder(build_wavernn(toy_config(shape, mode)), engine="torch"), []
    mel = random_mel(18)
    chunks = list(vocoder.stream(mel, seed=3, progress=lambda done, total: seen.append((done, total))))
    assert [len(chunk) for chunk in chunks] == [1600, 1600, 400]
    assert seen == [(1600, 3600), (3200, 3600), (3600, 3600)]
    assert np.array_equal(np.concatenate(chunks), vocoder.vocode_folds(mel, 1, seed=3))


def test_folds_are_independent(vocoder):
    """On the same tape a fold has the same samples in a batch and alone, also after others have ended."""
    mel, folds = random_mel(12), [Fold(0, 2), Fold(3, 8), Fold(6, 9)]
    tapes = [make_tape(vocoder.config, fold.frames * 200, 1, index) for index, fold in enumerate(folds)]
    together = TorchSampler(vocoder.model).sample_folds(mel, folds, tapes)
    for fold, tape, samples in zip(folds, tapes, together, strict=True):
        assert samples.shape == (fold.frames * 200,)
        (alone,) = TorchSampler(vocoder.model).sample_folds(mel, [fold], [tape])
        assert np.array_equal(alone, samples)


def test_more_folds_than_lanes_are_run_in_several_batches(vocoder, monkeypatch):
    mel, folds = random_mel(12), [Fold(0, 2), Fold(2, 5), Fold(4, 5), Fold(6, 9), Fold(8, 10)]
    tapes = [make_tape(vocoder.config, fold.frames * 200, 1, index) for index, fold in enumerate(folds)]
    seen: list[tuple[int, int]] = []
    expected = TorchSampler(vocoder.model).sample_folds(mel, folds, tapes)
    monkeypatch.setattr("vocoder.wavernn.sampling.LANES", 2)
    made = TorchSampler(vocoder.model).sample_folds(mel, folds, tapes, Control(lambda *done: seen.append(done)))
    assert all(map(np.array_equal, made, expected))
    assert [done for done, _ in seen] == sorted(done for done, _ in seen) and seen[-1] == (2200, 2200)


def test_tape_in_blocks_equals_the_whole_tape(vocoder):
    blocks = open_tape(vocoder.config, 5, 2)
    parts = [blocks(n) for n in (3, 1, 200, 7)]
    assert np.array_equal(np.concatenate(parts), make_tape(vocoder.config, 211, 5, 2))
    mel, folds = random_mel(5), [Fold(0, 3), Fold(2, 5)]
    whole = [make_tape(vocoder.config, 600, 1, index) for index in range(2)]
    in_blocks = [open_tape(vocoder.config, 1, index) for index in range(2)]
    both = [TorchSampler(vocoder.model).sample_folds(mel, folds, tapes) for tapes in (whole, in_blocks)]
    assert all(map(np.array_equal, *both))


@pytest.mark.parametrize("frames", [1, 2, 5])
def test_short_mels(vocoder, frames):
    assert vocoder.vocode_folds(random_mel(frames), 9, seed=0).shape == (200 * frames,)


@pytest.mark.parametrize("verb", ["vocode", "stream"])
def test_cancelling_ends_the_work_within_50_ms(vocoder, verb):
    """In processor time, so that other load does not matter."""
    calls: list[float] = []

    def cancelled() -> bool:
        calls.append(time.process_time())
        return len(calls) == 300

    with pytest.raises(WorkCancelled):
        np.concatenate(list(getattr(vocoder, verb)(random_mel(9), seed=0, cancelled=cancelled)))
    assert len(calls) == 300 and max(np.diff([*calls, time.process_time()])) < 0.05


def test_a_cancelled_vocoder_can_be_used_again(vocoder):
    mel = random_mel(3)
    expected = vocoder.vocode(mel, seed=2)
    with pytest.raises(WorkCancelled):
        vocoder.vocode(mel, seed=2, cancelled=lambda: True)
    assert np.array_equal(vocoder.vocode(mel, seed=2), expected)


def test_no_gradients_are_kept(vocoder):
    assert not any(value.requires_grad for value in vocoder.model.parameters())
    stream = vocoder.stream(random_mel(2), seed=0)
    next(stream)
    assert not torch.is_inference_mode_enabled() and torch.is_grad_enabled()


def test_deemphasis_in_parts_equals_the_whole(vocoder, monkeypatch):
    mel = random_mel(3)
    expected = vocoder.vocode(mel, seed=0)
    monkeypatch.setattr("vocoder.wavernn.inference.FINISH_SAMPLES", 77)
    assert np.array_equal(vocoder.vocode(mel, seed=0), expected)


BAD_MELS = [
    (np.zeros((80, 0)), "no frames"),
    (np.zeros((40, 9)), "80"),
    (np.zeros((9, 80)), "transposed"),
    (np.full((80, 3), np.nan), "not finite"),
    (np.full((80, 3), 1j), "not finite"),
    (np.full((80, 3), "x"), "not finite"),
    (np.full((80, 3), -80.0), "[-4, 4]"),
    (np.zeros((1, 80, 3)), "[1, 80, 3]"),
    ([[]], "80"),
    (7, "80"),
    (None, "80"),
]


@pytest.mark.parametrize(("mel", "words"), BAD_MELS)
def test_bad_mels_are_refused_in_one_sentence(vocoder, mel, words):
    for verb in (vocoder.vocode, vocoder.stream):
        with pytest.raises(SpeechError) as error:
            verb(mel)
        assert words in str(error.value) and "\n" not in str(error.value)


def test_sparse_file_is_smaller_and_gives_the_same_samples(tmp_path):
    from vocoder.wavernn.pruning import Pruner, PruningSchedule

    sizes, mel = [], random_mel(2)
    for sparsity in (0.0, 0.9):
        torch.manual_seed(0)
        model = build_wavernn(WaveRNNConfig(hidden_size=64, fc_size=64, condition_size=8, sparsity=sparsity))
        if sparsity:
            Pruner(model, PruningSchedule(sparsity, start=0, steps=1, every=1)).after_step(1)
        vocoder, path = WaveRNNVocoder(model, engine="torch"), tmp_path / f"{sparsity}.safetensors"
        vocoder.save(path)
        sizes.append(path.stat().st_size)
        assert np.array_equal(Vocoder.load(path, engine="torch").vocode(mel, seed=1), vocoder.vocode(mel, seed=1))
    assert sizes[1] < 0.7 * sizes[0]


# --- engines


def test_bad_engines_are_refused(vocoder):
    for options in ({"engine": "abacus"}, {"threads": 0}, {"engine": "compiled", "device": "meta"}):
        with pytest.raises(ConfigError):
            WaveRNNVocoder(vocoder.model, **options)


@pytest.mark.parametrize("shape", ["compact", "classic"])
def test_compiled_engine_equals_the_reference(toy_config, shape):
    pytest.importorskip("numba")
    torch.manual_seed(0)
    model, mel = build_wavernn(toy_config(shape)), random_mel(30)
    compiled, reference = (WaveRNNVocoder(model, engine=engine, threads=2) for engine in ("compiled", "torch"))
    for folds in (1, 3):
        apart = compiled.vocode_folds(mel, folds, seed=1) - reference.vocode_folds(mel, folds, seed=1)
        assert np.mean(np.abs(apart) > 1e-6) < 0.02  # where rounding decides between two labels
    stream = np.concatenate(list(compiled.stream(mel, seed=1)))
    assert np.array_equal(stream, compiled.vocode_folds(mel, 1, seed=1))


@pytest.mark.parametrize("verb", ["vocode", "stream"])
def test_compiled_engine_is_cancelled_within_50_ms(verb):
    pytest.importorskip("numba")
    torch.manual_seed(0)
    vocoder = WaveRNNVocoder(build_wavernn(WaveRNNConfig()), engine="compiled", threads=1)  # dense, of the usual size
    vocoder.warm_up()
    calls: list[float] = []

    def cancelled() -> bool:
        calls.append(time.process_time())
        return len(calls) == 12

    with pytest.raises(WorkCancelled):
        list(getattr(vocoder, verb)(random_mel(200), seed=0, cancelled=cancelled))
    assert len(calls) == 12 and max(np.diff([*calls, time.process_time()])) < 0.05


def test_pytorch_is_the_fallback_with_one_warning(vocoder, monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "vocoder.wavernn.engine", None)  # as if it could not be imported
    mel = random_mel(2)
    other = WaveRNNVocoder(vocoder.model, engine="auto")
    with caplog.at_level(logging.WARNING):
        wav = [other.vocode(mel, seed=4) for _ in range(2)]
    assert isinstance(other.running.sampler, TorchSampler)
    assert len(caplog.records) == 1 and "PyTorch" in caplog.text
    assert np.array_equal(wav[0], wav[1]) and np.array_equal(wav[0], vocoder.vocode(mel, seed=4))
    with pytest.raises(ConfigError):
        WaveRNNVocoder(vocoder.model, engine="compiled").vocode(mel)


def test_numba_is_not_imported_before_it_is_used(repository):
    code = (
        "import sys, torch; from vocoder.wavernn.inference import WaveRNNVocoder\n"
        "from vocoder.wavernn.model import build_wavernn; from vocoder.wavernn.config import WaveRNNConfig\n"
        "WaveRNNVocoder(build_wavernn(WaveRNNConfig(hidden_size=8, fc_size=8)))\n"
        "print('numba' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=repository, capture_output=True, text=True)
    assert done.stdout.strip() == "False", done.stderr


# --- files


@pytest.mark.parametrize("dtype", [None, torch.float16])
def test_save_and_load_give_the_same_output(vocoder, tmp_path, dtype):
    path = tmp_path / "vocoder.safetensors"
    vocoder.save(path, dtype)
    loaded = Vocoder.load(path, engine="torch")
    assert isinstance(loaded, WaveRNNVocoder)
    assert (loaded.licence, loaded.trained_on, loaded.step, loaded.config) == ("CC0", "nothing", 7, vocoder.config)
    again = tmp_path / "again.safetensors"
    loaded.save(again, dtype)
    mel = random_mel(2)
    if dtype is None:
        assert np.array_equal(loaded.vocode(mel, seed=1), vocoder.vocode(mel, seed=1))
    assert np.array_equal(Vocoder.load(again, engine="torch").vocode(mel, seed=1), loaded.vocode(mel, seed=1))


def test_refinements_of_a_file(toy_config, tmp_path):
    path = tmp_path / "vocoder.safetensors"
    WaveRNNVocoder(build_wavernn(toy_config()), refinements=5).save(path)
    loaded, changed = Vocoder.load(path), Vocoder.load(path, refinements=0)
    assert isinstance(loaded, WaveRNNVocoder) and loaded.refinements == 5
    assert isinstance(changed, WaveRNNVocoder) and changed.refinements == 0
    weights = loaded.model.state_dict()
    save_model(path, weights, ModelHeader("vocoder", "wavernn", loaded.config))
    unnamed = Vocoder.load(path)
    assert isinstance(unnamed, WaveRNNVocoder) and unnamed.refinements == 0
    save_model(path, weights, ModelHeader("vocoder", "wavernn", loaded.config, extra={"refinements": "1e9"}))
    with pytest.raises(ModelFileError, match="refinements"):
        Vocoder.load(path)


def test_bad_files_are_refused_in_one_sentence(vocoder, tmp_path):
    good = tmp_path / "good.safetensors"
    vocoder.save(good)
    weights, config = vocoder.model.state_dict(), vocoder.config
    (tmp_path / "short").write_bytes(good.read_bytes()[:-100])
    (tmp_path / "text").write_text("no model at all")
    save_model(tmp_path / "encoder", weights, ModelHeader("encoder", config={}, step=0))
    save_model(tmp_path / "kind", weights, ModelHeader("vocoder", kind="theremin", config=config, step=0))
    save_model(tmp_path / "config", weights, ModelHeader("vocoder", kind="wavernn", config={"strings": 6}, step=0))
    save_model(tmp_path / "range", weights, ModelHeader("vocoder", kind="wavernn", config={"bits": 99}, step=0))
    save_model(tmp_path / "size", weights, ModelHeader("vocoder", kind="wavernn", config={"hidden_size": 8}, step=0))
    for name in ("missing", "short", "text", "encoder", "kind", "config", "range", "size"):
        with pytest.raises(ModelFileError) as error:
            Vocoder.load(tmp_path / name)
        assert "\n" not in str(error.value)
