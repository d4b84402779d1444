"""The spectral vocoder: whole mels, streams, cancelling, bad input and files."""

import itertools
import time

import numpy as np
import pytest
import torch

from modelfile.checkpoint import load_weights, save_model
from modelfile.header import ModelHeader
from speech.errors import ConfigError, ModelFileError, SpeechError, WorkCancelled
from speech.mel import synthesis_mel
from vocoder import Vocoder
from vocoder.spectral import streaming
from vocoder.spectral.config import SpectralConfig
from vocoder.spectral.inference import BLOCK_FRAMES, SpectralVocoder
from vocoder.spectral.model import SpectralGenerator
from waveform import refined
from waveform.emphasis import Deemphasis
from waveform.refinements import REFINEMENTS

TOY = SpectralConfig(channels=16, hidden=24, blocks=2, kernel=3)


def toy_vocoder(config: SpectralConfig = TOY, refinements: int = 0) -> SpectralVocoder:
    torch.manual_seed(0)
    model = SpectralGenerator(config)
    return SpectralVocoder(model, refinements=refinements, licence="CC0", trained_on="nothing", step=7)


@pytest.fixture
def vocoder() -> SpectralVocoder:
    """Without refinements."""
    return toy_vocoder()


@pytest.fixture(params=[0, 4])
def either(request) -> SpectralVocoder:
    """Without and with refinements."""
    return toy_vocoder(refinements=request.param)


def random_mel(frames: int) -> np.ndarray:
    return np.random.default_rng(frames).uniform(-4, 4, (80, frames)).astype(np.float32)


# --- vocoding


@pytest.mark.parametrize("frames", [1, 2, 7, 40, BLOCK_FRAMES + 1, 2 * BLOCK_FRAMES + TOY.lookahead])
def test_vocode_equals_the_generator_on_the_whole_mel(vocoder, frames):
    mel = random_mel(frames)
    wav = vocoder.vocode(mel)
    with torch.inference_mode():
        whole = vocoder.model(torch.from_numpy(mel[None] / 4))[0].numpy()
    assert wav.shape == (200 * frames,) and wav.dtype == np.float32
    assert np.abs(wav - Deemphasis(0.97)(whole)).max() < 1e-5


@pytest.mark.parametrize("frames", [1, 8, 13, 14, 21, 22, 72, 100, 300])
def test_stream_equals_vocode(either, frames):
    seen: list[tuple[int, int]] = []
    chunks = list(either.stream(random_mel(frames), progress=lambda done, total: seen.append((done, total))))
    assert max(len(chunk) for chunk in chunks) <= 1600 and min(len(chunk) for chunk in chunks) >= 200
    assert len(chunks) <= -(-frames // 8) + 3
    assert np.abs(np.concatenate(chunks) - either.vocode(random_mel(frames))).max() < 1e-4
    assert [done for done, _ in seen] == list(np.cumsum([len(chunk) for chunk in chunks]))
    assert {total for _, total in seen} == {200 * frames}


def test_lookahead_of_a_chunk_is_the_receptive_field(vocoder):
    first, last = next(vocoder.stream(random_mel(60))), 7 + TOY.lookahead
    for frame, same in ((last, False), (last + 1, True)):
        mel = random_mel(60)
        mel[:, frame:] = -mel[:, frame:]
        assert np.array_equal(next(vocoder.stream(mel)), first) == same


def test_default_size_streams():
    vocoder, mel = toy_vocoder(SpectralConfig(), REFINEMENTS), random_mel(90)
    assert np.abs(np.concatenate(list(vocoder.stream(mel))) - vocoder.vocode(mel)).max() < 1e-4


def test_products_in_bfloat16_are_close_to_float32(monkeypatch):
    """Only magnitudes are compared: a waveform with different phases may be as good."""
    monkeypatch.setattr(streaming, "has_bfloat16_products", lambda: True)
    torch.manual_seed(0)
    model = SpectralGenerator(SpectralConfig(blocks=2)).eval()
    mel = torch.from_numpy(random_mel(40)[None] / 4)
    exact, fast = (
        streaming.GeneratorStream(streaming.FrameLayers(model, precision)).push(mel, last=True).abs()
        for precision in ("float32", "auto")
    )
    with torch.inference_mode():
        assert torch.allclose(exact, model.spectrum(mel).abs(), atol=1e-5)
    assert 0 < (fast - exact).norm() / exact.norm() < 0.02


def test_float32_for_small_networks_and_on_request(monkeypatch):
    monkeypatch.setattr(streaming, "has_bfloat16_products", lambda: True)
    vocoders = toy_vocoder(), SpectralVocoder(SpectralGenerator(SpectralConfig(blocks=1)), precision="float32")
    for vocoder in vocoders:
        seen: list[torch.dtype] = []
        vocoder.model.to_spectrum.register_forward_hook(lambda module, x, output, seen=seen: seen.append(output.dtype))
        vocoder.vocode(random_mel(9))
        assert set(seen) == {torch.float32}


def test_seeds_and_threads_have_no_effect(vocoder):
    mel, before = random_mel(50), torch.get_num_threads()
    wav = vocoder.vocode(mel, seed=1)
    assert np.array_equal(vocoder.vocode(mel, seed=2), wav)
    torch.set_num_threads(2)
    try:
        assert np.abs(vocoder.vocode(mel) - wav).max() < 1e-5
    finally:
        torch.set_num_threads(before)


def test_progress_of_a_long_mel(either):
    seen: list[tuple[int, int]] = []
    either.vocode(random_mel(1000), progress=lambda done, total: seen.append((done, total)))
    assert len(seen) >= 3 and seen[-1] == (200_000, 200_000)
    assert [done for done, _ in seen] == sorted({done for done, _ in seen})


def test_memory_does_not_grow_with_the_mel(vocoder, monkeypatch):
    """No layer processes more than one block and the frames kept between blocks."""
    seen = []
    for block in vocoder.model.blocks:
        block.widen.register_forward_hook(lambda module, inputs, output: seen.append(len(output)))
    vocoder.vocode(random_mel(3000))
    assert max(seen) <= BLOCK_FRAMES + TOY.lookahead and sum(seen) == 3000 * TOY.blocks


@pytest.mark.parametrize("verb", ["vocode", "stream"])
def test_cancelling_ends_the_work_within_50_ms(verb):
    """In processor time, so that other load does not matter."""
    vocoder, calls = toy_vocoder(SpectralConfig(), REFINEMENTS), []
    vocoder.vocode(random_mel(300))

    def cancelled() -> bool:
        calls.append(time.process_time())
        return len(calls) == 15

    with pytest.raises(WorkCancelled):
        list(getattr(vocoder, verb)(random_mel(900), cancelled=cancelled))
    assert len(calls) == 15 and max(np.diff([*calls, time.process_time()])) < 0.05


def test_a_cancelled_vocoder_can_be_used_again(either):
    expected = either.vocode(random_mel(20))
    with pytest.raises(WorkCancelled):
        either.vocode(random_mel(20), cancelled=lambda: True)
    assert np.array_equal(either.vocode(random_mel(20)), expected)


def test_two_streams_are_independent(either):
    mels = random_mel(40), random_mel(41)
    expected = [np.concatenate(list(either.stream(mel))) for mel in mels]
    one, two = (either.stream(mel) for mel in mels)
    chunks = [(next(one), next(two)) for _ in range(5)]
    assert np.array_equal(np.concatenate([chunk for chunk, _ in chunks]), expected[0])
    assert np.array_equal(np.concatenate([*(chunk for _, chunk in chunks), *two]), expected[1])


def test_no_gradients_are_kept(vocoder):
    assert not any(value.requires_grad for value in vocoder.model.parameters())
    next(vocoder.stream(random_mel(20)))
    assert not torch.is_inference_mode_enabled() and torch.is_grad_enabled()


def test_refinements_reduce_the_mel_error(voice):
    """Even for an untrained network."""
    mel = synthesis_mel(voice(2.0))
    generated = {}
    for refinements in (0, 1, 8):
        generated[refinements] = synthesis_mel(toy_vocoder(refinements=refinements).vocode(mel))[:, : mel.shape[1]]
    errors = {refinements: float(np.abs(reached - mel).mean()) for refinements, reached in generated.items()}
    assert errors[8] < errors[1] < errors[0] / 3


def test_refined_silence_is_silent():
    wav = toy_vocoder(refinements=8).vocode(np.full((80, 90), -4, np.float32))
    assert np.abs(wav).max() < 1e-3 and np.isfinite(wav).all()


def test_lookahead_of_refined_blocks():
    vocoder = toy_vocoder(refinements=16)  # enough for the farthest frame to have an effect
    reach = refined.BLOCK_FRAMES - 1 + refined.LOOKAHEAD_FRAMES + TOY.reach
    first = np.concatenate(list(itertools.islice(vocoder.stream(random_mel(200)), 7)))
    for frame, same in ((reach, False), (reach + 1, True)):
        mel = random_mel(200)
        mel[:, frame:] = -mel[:, frame:]
        changed = np.concatenate(list(itertools.islice(vocoder.stream(mel), 7)))
        assert np.array_equal(changed, first) == same


@pytest.mark.parametrize("refinements", [-1, 1001])
def test_refinements_out_of_range_are_refused(refinements):
    with pytest.raises(ConfigError, match="refinements"):
        toy_vocoder(refinements=refinements)


def test_loud_mel_is_clipped_to_full_scale(vocoder):
    with torch.no_grad():
        vocoder.model.to_spectrum.bias[:401] = 12
    wav = vocoder.vocode(random_mel(30))
    assert np.abs(wav).max() == 1 and np.isfinite(wav).all()


BAD_MELS = [
    (np.zeros((80, 0)), "no frames"),
    (np.zeros((40, 9)), "80"),
    (np.zeros((9, 80)), "transposed"),
    (np.full((80, 3), np.nan), "not finite"),
    (np.full((80, 3), -80.0), "[-4, 4]"),
    (None, "80"),
]


@pytest.mark.parametrize(("mel", "words"), BAD_MELS)
def test_bad_mels_are_refused_in_one_sentence(vocoder, mel, words):
    for verb in (vocoder.vocode, vocoder.stream):
        with pytest.raises(SpeechError) as error:
            verb(mel)
        assert words in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_other_number_formats_are_accepted(vocoder, dtype):
    mel = random_mel(12).astype(dtype)
    assert np.array_equal(vocoder.vocode(mel), vocoder.vocode(mel.astype(np.float32)))


# --- files


@pytest.mark.parametrize("dtype", [None, torch.float16])
def test_save_and_load_give_the_same_output(vocoder, tmp_path, dtype):
    path, mel = tmp_path / "vocoder.safetensors", random_mel(20)
    vocoder.save(path, dtype)
    loaded = Vocoder.load(path)
    assert isinstance(loaded, SpectralVocoder) and loaded.kind == "spectral"
    assert (loaded.licence, loaded.trained_on, loaded.step, loaded.config) == ("CC0", "nothing", 7, TOY)
    assert (loaded.mel_config, loaded.sample_rate, loaded.refinements) == (TOY.mel, 16_000, 0)
    apart = np.abs(loaded.vocode(mel) - vocoder.vocode(mel)).max()
    assert apart == 0 if dtype is None else apart < 0.01
    loaded.save(tmp_path / "again.safetensors", dtype)
    assert np.array_equal(Vocoder.load(tmp_path / "again.safetensors", engine="torch").vocode(mel), loaded.vocode(mel))


def test_file_from_training_has_the_default_refinements(vocoder, tmp_path):
    weights = vocoder.model.state_dict()
    save_model(tmp_path / "plain", weights, ModelHeader("vocoder", kind="spectral", config=TOY, step=0))
    loaded = Vocoder.load(tmp_path / "plain")
    assert isinstance(loaded, SpectralVocoder) and loaded.refinements == REFINEMENTS


def test_names_of_weights_are_those_of_existing_files(vocoder, tmp_path):
    vocoder.save(tmp_path / "v.safetensors")
    names = set(load_weights(tmp_path / "v.safetensors"))
    layers = ["enter", "enter_norm", "leave_norm", "to_spectrum"]
    layers += [f"blocks.{n}.{name}" for n in range(2) for name in ("over_frames", "norm", "widen", "narrow")]
    expected = {f"{layer}.{leaf}" for layer in layers for leaf in ("weight", "bias")}
    assert names == expected | {f"blocks.{n}.scale" for n in range(2)}


def test_bad_files_are_refused_in_one_sentence(vocoder, tmp_path):
    weights = vocoder.model.state_dict()
    save_model(tmp_path / "config", weights, ModelHeader("vocoder", kind="spectral", config={"strings": 6}, step=0))
    save_model(tmp_path / "range", weights, ModelHeader("vocoder", kind="spectral", config={"kernel": 4}, step=0))
    save_model(tmp_path / "size", weights, ModelHeader("vocoder", kind="spectral", config={"channels": 8}, step=0))
    extra = {"refinements": "-5"}
    save_model(tmp_path / "extra", weights, ModelHeader("vocoder", kind="spectral", config=TOY, step=0, extra=extra))
    for name in ("config", "range", "size", "extra"):
        with pytest.raises(ModelFileError) as error:
            Vocoder.load(tmp_path / name)
        assert "\n" not in str(error.value)
    vocoder.save(tmp_path / "good")
    with pytest.raises(ConfigError, match="engine torch or auto"):
        Vocoder.load(tmp_path / "good", engine="compiled")
