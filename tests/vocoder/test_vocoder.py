"""The facade and the PyTorch reference sampling."""

import numpy as np
import pytest
import torch

from speech.errors import ModelFileError, SpeechError
from training.checkpoint import save_model
from vocoder import Vocoder
from vocoder.inference import VocodingCancelled
from vocoder.wavernn.convert import convert_public_wavernn, main
from vocoder.wavernn.folding import Fold, fold_evenly, join_folds, plan_folds, unfold_evenly
from vocoder.wavernn.inference import WaveRNNVocoder, make_tape, sample_folds
from vocoder.wavernn.model import build_wavernn


@pytest.fixture
def vocoder(toy_config) -> WaveRNNVocoder:
    torch.manual_seed(0)
    return WaveRNNVocoder(build_wavernn(toy_config()), licence="CC0", trained_on="nothing", step=7)


def random_mel(frames: int) -> np.ndarray:
    return np.random.default_rng(frames).uniform(-4, 4, (80, frames)).astype(np.float32)


def test_vocode_gives_a_sample_for_each_place_and_tells_how_far_it_is(vocoder):
    seen = []
    wav = vocoder.vocode(random_mel(9), seed=1, progress=lambda done, total: seen.append((done, total)), fold_frames=4)
    assert wav.shape == (1800,) and wav.dtype == np.float32 and np.abs(wav).max() <= 1
    assert [done for done, _ in seen] == sorted(done for done, _ in seen) and seen[-1][0] == seen[-1][1]


def test_seeds(vocoder):
    mel = random_mel(2)
    assert np.array_equal(vocoder.vocode(mel, seed=5), vocoder.vocode(mel, seed=5))
    assert not np.array_equal(vocoder.vocode(mel, seed=5), vocoder.vocode(mel, seed=6))
    assert not np.array_equal(vocoder.vocode(mel), vocoder.vocode(mel))


@pytest.mark.parametrize(("shape", "mode"), [("compact", "raw"), ("compact", "mol"), ("classic", "raw")])
def test_stream_equals_one_fold(toy_config, shape, mode):
    torch.manual_seed(0)
    vocoder = WaveRNNVocoder(build_wavernn(toy_config(shape, mode)))
    mel = random_mel(18)
    chunks = list(vocoder.stream(mel, seed=3))
    assert len(chunks) == 2
    assert np.array_equal(np.concatenate(chunks), vocoder.vocode(mel, seed=3, fold_frames=0))


def test_folds_do_not_know_of_each_other(vocoder):
    """Side by side or alone, on the same tape a fold has the same samples, also when others have ended."""
    mel, folds = random_mel(12), [Fold(0, 2), Fold(3, 8), Fold(6, 9)]
    tapes = [make_tape(vocoder.config, fold.frames * 200, 1, index) for index, fold in enumerate(folds)]
    together = sample_folds(vocoder.model, mel, folds, tapes)
    for fold, tape, samples in zip(folds, tapes, together, strict=True):
        assert samples.shape == (fold.frames * 200,)
        (alone,) = sample_folds(vocoder.model, mel, [fold], [tape])
        assert np.array_equal(alone, samples)


@pytest.mark.parametrize("frames", [1, 2, 5])
def test_short_outputs_do_not_crash(vocoder, frames):
    assert vocoder.vocode(random_mel(frames), seed=0, fold_frames=1).shape == (200 * frames,)


def test_cancelling_ends_the_work(vocoder):
    answers = iter([False, True])
    with pytest.raises(VocodingCancelled):
        vocoder.vocode(random_mel(5), cancelled=lambda: next(answers))


def test_no_gradients_are_kept(vocoder):
    assert not any(value.requires_grad for value in vocoder.model.parameters())
    stream = vocoder.stream(random_mel(2), seed=0)
    next(stream)
    assert not torch.is_inference_mode_enabled() and torch.is_grad_enabled()


@pytest.mark.parametrize(
    "mel", [np.zeros((80, 0)), np.zeros((40, 9)), np.full((80, 3), np.nan), np.zeros((1, 80, 3)), [[]]]
)
def test_bad_mels_get_one_sentence(vocoder, mel):
    for verb in (vocoder.vocode, vocoder.stream):
        with pytest.raises(SpeechError):
            verb(mel)


# --- files


@pytest.mark.parametrize("dtype", [None, torch.float16])
def test_save_and_load_give_the_same_output(vocoder, tmp_path, dtype):
    path = tmp_path / "vocoder.safetensors"
    vocoder.save(path, dtype)
    loaded = Vocoder.load(path)
    assert isinstance(loaded, WaveRNNVocoder)
    assert (loaded.licence, loaded.trained_on, loaded.step, loaded.config) == ("CC0", "nothing", 7, vocoder.config)
    again = tmp_path / "again.safetensors"
    loaded.save(again, dtype)
    mel = random_mel(2)
    if dtype is None:
        assert np.array_equal(loaded.vocode(mel, seed=1), vocoder.vocode(mel, seed=1))
    assert np.array_equal(Vocoder.load(again).vocode(mel, seed=1), loaded.vocode(mel, seed=1))


def test_bad_files_get_one_sentence(vocoder, tmp_path):
    good = tmp_path / "good.safetensors"
    vocoder.save(good)
    weights, config = vocoder.model.state_dict(), vocoder.config
    (tmp_path / "short").write_bytes(good.read_bytes()[:-100])
    (tmp_path / "text").write_text("no model at all")
    save_model(tmp_path / "encoder", weights, stage="encoder", config={}, step=0)
    save_model(tmp_path / "kind", weights, stage="vocoder", kind="theremin", config=config, step=0)
    save_model(tmp_path / "config", weights, stage="vocoder", kind="wavernn", config={"strings": 6}, step=0)
    save_model(tmp_path / "range", weights, stage="vocoder", kind="wavernn", config={"bits": 99}, step=0)
    save_model(tmp_path / "size", weights, stage="vocoder", kind="wavernn", config={"hidden_size": 8}, step=0)
    for name in ("missing", "short", "text", "encoder", "kind", "config", "range", "size"):
        with pytest.raises(ModelFileError) as error:
            Vocoder.load(tmp_path / name)
        assert "\n" not in str(error.value)


def test_public_checkpoint_becomes_a_model_file(golden_dir, tmp_path, capsys):
    output = tmp_path / "public.safetensors"
    main([str(golden_dir / "vocoder_small_raw.pt"), str(output)])
    assert "raw WaveRNN" in capsys.readouterr().out
    vocoder = Vocoder.load(output)
    assert isinstance(vocoder, WaveRNNVocoder) and vocoder.config.shape == "classic"
    assert vocoder.vocode(random_mel(1), seed=0).shape == (200,)
    with pytest.raises(SystemExit):
        main([str(golden_dir / "vocoder_small_raw.pt"), str(output)])


def test_what_is_no_public_checkpoint_gets_one_sentence(golden_dir, tmp_path):
    (tmp_path / "text.pt").write_text("no checkpoint")
    torch.save({"model_state": {"a": torch.zeros(2)}}, tmp_path / "other.pt")
    torch.save([1, 2], tmp_path / "list.pt")
    sources = [tmp_path / name for name in ("missing.pt", "text.pt", "other.pt", "list.pt")]
    for source in [*sources, golden_dir / "synthesizer_small.pt"]:
        with pytest.raises(ModelFileError):
            convert_public_wavernn(source, tmp_path / "out.safetensors")


# --- folds


def test_even_folds_equal_the_golden_ones(golden_dir):
    golden = np.load(golden_dir / "folds.npz")
    assert np.array_equal(fold_evenly(golden["signal"], 8000, 800), golden["folds"])
    assert np.abs(unfold_evenly(golden["folds"], 800) - golden["unfolded"]).max() < 1e-6


@pytest.mark.parametrize("frames", [1, 3, 40, 71, 72, 73, 500])
def test_planned_folds_cover_the_utterance_and_no_more(frames):
    level = np.random.default_rng(frames).uniform(-4, 4, frames)
    folds = plan_folds(level, 48, 4)
    assert folds[0].start == 0 and folds[-1].stop == frames
    assert all(left.stop - right.start == 4 for left, right in zip(folds, folds[1:], strict=False))
    assert sum(fold.frames for fold in folds) == frames + 4 * (len(folds) - 1)
    assert max(fold.frames for fold in folds) <= 48 * 5 / 3 * 1.5 + 4


def test_cuts_seek_the_quiet():
    level = np.ones(100)
    level[55:59] = -4
    left, right = plan_folds(level, 48, 4)
    assert 55 <= right.start + 3 <= 59 and left.stop == right.start + 4


def test_joined_folds_keep_the_power_of_noise_and_the_middles():
    rng = np.random.default_rng(0)
    folds = plan_folds(np.zeros(200), 48, 4)
    pieces = [rng.standard_normal(fold.frames * 200).astype(np.float32) for fold in folds]
    joined = join_folds(pieces, folds, 200)
    assert joined.shape == (40_000,)
    assert np.array_equal(joined[:2000], pieces[0][:2000])  # no fade at the utterance's own edges
    assert np.array_equal(joined[-2000:], pieces[-1][-2000:])
    seam = (folds[1].start + 3) * 200
    assert np.std(joined[seam - 200 : seam + 200]) == pytest.approx(1, abs=0.15)
