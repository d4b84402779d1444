from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from encoder import SpeakerEncoder
from encoder.config import PartialsConfig
from encoder.lstm.config import LSTMConfig
from encoder.lstm.inference import LSTMEncoder
from encoder.lstm.model import SpeakerEncoderModel
from encoder.partials import Partials, mean_embedding, partial_starts
from modelfile.header import ModelHeader
from speech.errors import AudioError, ConfigError, ModelFileError


def buzz(seconds: float, seed: int = 0) -> np.ndarray:
    """A signal that VAD takes for speech: a buzz at 120 Hz with varying amplitude and without pauses."""
    time = np.arange(int(seconds * 16_000)) / 16_000
    rng = np.random.default_rng(seed)
    tone = sum(np.sin(2 * np.pi * 120 * k * time + rng.uniform(0, 6)) / k for k in range(1, 30))
    return (0.2 * tone * (1 + 0.5 * np.sin(2 * np.pi * 3 * time))).astype(np.float32)


@pytest.fixture(scope="module")
def encoder(toy_config: LSTMConfig) -> LSTMEncoder:
    torch.manual_seed(0)
    return LSTMEncoder(
        SpeakerEncoderModel(replace(toy_config, compression="log")),
        embedding_space="toy",
        precision="fp32",
        licence="CC0",
        trained_on="nothing",
        step=7,
    )


def test_shapes_and_norms(encoder: LSTMEncoder) -> None:
    wav = buzz(1.0)
    partials = encoder.partials(wav, prepared=True).embeddings
    assert partials.shape == (len(encoder.partial_starts(len(wav))), 12)
    embedding = encoder.embed(wav, prepared=True)
    assert embedding.shape == (12,)
    assert embedding.dtype == partials.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(partials, axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(embedding, partials.mean(0) / np.linalg.norm(partials.mean(0)), rtol=1e-5)


def test_many_equals_one_by_one(encoder: LSTMEncoder) -> None:
    wavs = [buzz(0.3, 1), buzz(1.7, 2), buzz(0.11, 3)]
    together = encoder.embed_many(wavs, prepared=True)
    for row, wav in zip(together, wavs, strict=True):
        np.testing.assert_allclose(row, encoder.embed(wav, prepared=True), atol=1e-5)
    assert encoder.embed_many([]).shape == (0, 12)


def test_partials_do_not_depend_on_how_many_go_through_at_once(encoder: LSTMEncoder, monkeypatch) -> None:
    wav = buzz(2.0)
    whole = encoder.partials(wav, prepared=True).embeddings
    monkeypatch.setattr("encoder.base.PARTIALS_PER_PASS", 3)
    np.testing.assert_allclose(encoder.partials(wav, prepared=True).embeddings, whole, atol=1e-5)


def test_partials_are_those_of_the_padded_audio(encoder: LSTMEncoder) -> None:
    """The definition: pad with silence to the last partial's end, take the mel, cut it."""
    from speech.mel import encoder_mel

    for seconds in (0.11, 0.2, 0.25, 1.013, 2.0):
        wav = buzz(seconds)
        starts = encoder.partial_starts(len(wav))
        padded = np.pad(wav, (0, max(0, int(starts[-1]) + encoder.config.partials.partial_frames * 160 - len(wav))))
        mel = encoder_mel(padded)
        frames = encoder.config.partials.partial_frames
        windows = np.stack([mel[start : start + frames] for start in starts // encoder.config.hop_length])
        with torch.inference_mode():
            expected = encoder.model(torch.from_numpy(windows)).numpy()
        np.testing.assert_allclose(encoder.partials(wav, prepared=True).embeddings, expected, atol=1e-5)


def test_partials_are_located_in_the_clip(encoder: LSTMEncoder) -> None:
    speech, pause = buzz(3.0), np.zeros(32_000, np.float32)
    partials = encoder.partials(np.concatenate([speech, pause, speech]))
    assert len(partials.embeddings) == len(partials.starts) == len(partials.ends) == len(partials.similarity)
    assert 5.9 < partials.speech_seconds < 7
    assert (np.diff(partials.starts) > 0).all() and (partials.ends > partials.starts).all()
    assert partials.ends[-1] <= 8
    within = (partials.starts > 3.5) & (partials.ends < 4.5)
    assert not within.any()  # no partial lies in the pause
    assert partials.ends[partials.starts < 2.5].max() < 6
    np.testing.assert_allclose(
        partials.starts[partials.starts > 5][1:3], partials.starts[partials.starts > 5][0] + np.array([0.1, 0.2])
    )


def test_prepared_partials_follow_each_other_evenly(encoder: LSTMEncoder) -> None:
    partials = encoder.partials(buzz(1.0), prepared=True)
    np.testing.assert_allclose(partials.starts, np.arange(len(partials.starts)) * 0.1)
    assert partials.similarity.shape == partials.starts.shape
    assert partials.similarity.dtype == np.float32


def test_similarity_dips_where_a_second_voice_speaks() -> None:
    voices = np.eye(3, dtype=np.float32)[[0, 0, 0, 0, 1, 0]]
    times = np.arange(6.0)
    partials = Partials(voices, times, times + 1, 7.0)
    assert partials.similarity.argmin() == 4
    np.testing.assert_allclose(partials.similarity[[0, 4]], [4 / np.sqrt(17), 0], atol=1e-6)
    assert Partials(voices[:1], times[:1], times[:1] + 1, 1.0).similarity.tolist() == [1.0]


def test_means_are_weighted() -> None:
    rows = np.eye(4, dtype=np.float32)[:2]
    np.testing.assert_allclose(mean_embedding(rows), [0.5**0.5, 0.5**0.5, 0, 0], atol=1e-6)
    np.testing.assert_allclose(mean_embedding(rows, [3, 4]), [0.6, 0.8, 0, 0], atol=1e-6)
    np.testing.assert_allclose(mean_embedding(rows, [0, 1]), rows[1], atol=1e-6)
    for embeddings, weights in (
        (rows[:0], None),
        (rows[0], None),
        (rows, [1]),
        (rows, [0, 0]),
        (rows, [1, -1]),
        (rows, [1, np.nan]),
    ):
        with pytest.raises(ConfigError, match="embedding"):
            mean_embedding(embeddings, weights)


def test_memory_does_not_grow_with_the_passes(encoder: LSTMEncoder) -> None:
    import tracemalloc

    def peak(seconds: float) -> int:
        wav = buzz(seconds)
        tracemalloc.start()
        encoder.embed(wav, prepared=True)
        top = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return top

    peak(5.0)
    mel_bytes = 100 * 40 * 4
    assert peak(65.0) - peak(5.0) < 1.3 * 60 * (mel_bytes + 10 * 12 * 4 + 3_000)  # mels, embeddings, times


def test_no_graph_is_kept(encoder: LSTMEncoder) -> None:
    assert not any(parameter.requires_grad for parameter in encoder.model.parameters())


@pytest.mark.parametrize("samples", [1, 1600, 19_199, 25_600, 31_519, 31_520, 44_719, 44_720, 74_400, 500_000])
def test_partials_cover_the_utterance(samples: int) -> None:
    config, hop_length = PartialsConfig(), 160
    starts, step = partial_starts(samples, hop_length, config), config.partial_step * hop_length
    assert starts[0] == 0
    assert (np.diff(starts) == step).all()
    audio_in_last, length = samples - starts[-1], config.partial_frames * hop_length
    assert len(starts) == 1 or audio_in_last >= 0.75 * length
    assert audio_in_last - length < step  # less than one step is in no partial


@pytest.mark.parametrize(
    ("wav", "word"),
    [
        (np.zeros(0, np.float32), "empty"),
        (np.zeros(100, np.float32), "shorter"),
        (np.zeros(32_000, np.float32), "silent"),
        (np.full(32_000, np.nan, np.float32), "NaN"),
        (np.full(32_000, np.inf, np.float32), "finite"),
        (np.zeros((32_000, 2), np.float32), "mono"),
        (np.zeros(32_000, np.int16), "int16"),
    ],
)
def test_bad_audio_is_refused(encoder: LSTMEncoder, wav: np.ndarray, word: str) -> None:
    for call in (encoder.embed, encoder.partials):
        with pytest.raises(AudioError, match=word):
            call(wav)
    with pytest.raises(AudioError, match=word):
        encoder.embed_many([buzz(0.5), wav], prepared=True)


def test_a_clip_without_speech_is_refused(encoder: LSTMEncoder) -> None:
    click = np.zeros(32_000, np.float32)
    click[16_000] = 0.5
    with pytest.raises(AudioError, match="No speech"):
        encoder.embed(click)


def test_save_and_load_give_the_same_output(encoder: LSTMEncoder, tmp_path: Path) -> None:
    path = tmp_path / "encoder.safetensors"
    encoder.save(path)
    loaded = SpeakerEncoder.load(path, precision="fp32")
    wav = buzz(1.0)
    np.testing.assert_array_equal(loaded.embed(wav, prepared=True), encoder.embed(wav, prepared=True))
    assert loaded.config == encoder.config
    assert (loaded.embedding_space, loaded.licence, loaded.trained_on, loaded.step) == ("toy", "CC0", "nothing", 7)


def test_half_precision_files_are_half_the_size_and_nearly_equal(encoder: LSTMEncoder, tmp_path: Path) -> None:
    encoder.save(tmp_path / "full.safetensors")
    encoder.save(tmp_path / "half.safetensors", dtype=torch.float16)
    sizes = [(tmp_path / f"{name}.safetensors").stat().st_size for name in ("full", "half")]
    assert sizes[1] < 0.65 * sizes[0]
    wav = buzz(1.0)
    cosine = SpeakerEncoder.load(tmp_path / "half.safetensors").embed(wav, prepared=True) @ encoder.embed(
        wav, prepared=True
    )
    assert cosine > 0.9999


def test_wrong_files_are_refused(tmp_path: Path) -> None:
    from modelfile.checkpoint import save_model

    with pytest.raises(ModelFileError):
        SpeakerEncoder.load(tmp_path / "missing.safetensors")
    (tmp_path / "text.safetensors").write_text("not a model")
    with pytest.raises(ModelFileError):
        SpeakerEncoder.load(tmp_path / "text.safetensors")
    save_model(tmp_path / "other.safetensors", torch.nn.Linear(2, 2), ModelHeader("vocoder", step=1))
    with pytest.raises(ModelFileError, match="vocoder"):
        SpeakerEncoder.load(tmp_path / "other.safetensors")
    save_model(tmp_path / "shape.safetensors", torch.nn.Linear(2, 2), ModelHeader("encoder", step=1))
    with pytest.raises(ModelFileError):
        SpeakerEncoder.load(tmp_path / "shape.safetensors")
