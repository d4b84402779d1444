"""From corpora to speech at 24 kHz, with toy widths and the 16 kHz speaker encoder; mixed sample rates are refused."""

from typing import Any

import numpy as np
import pytest
import torch

import preprocess
import train_synth
import train_vocoder
from cloning import SpeechOptions, VoiceCloner
from corpora.store import FeatureStore
from speech.audio import read_audio, resample, write_audio
from speech.errors import ConfigError
from speech.mel_config import MelConfig
from synthesizer.tacotron.config import Architecture
from synthesizer.tacotron.flags import TacotronFlags
from tests.toy_models import EMBEDDING_SIZE, speech_like, toy_encoder, toy_synthesizer
from vocoder.spectral.config import SpectralConfig
from vocoder.spectral.family import SpectralFlags
from vocoder.spectral.inference import SpectralVocoder
from vocoder.spectral.model import SpectralGenerator

RATE = 24_000
MEL = MelConfig(sample_rate=RATE, n_fft=1200, hop_length=300, win_length=1200, n_mels=60, fmax=11_000.0)
MEL_FLAGS = (
    "--mel.sample-rate", 24000, "--mel.n-fft", 1200, "--mel.hop-length", 300, "--mel.win-length", 1200,
    "--mel.n-mels", 60, "--mel.fmax", 11000,
)  # fmt: skip
TEXT = "the birch canoe slid on the smooth planks"
ARCHITECTURE = Architecture(
    symbol_size=8, encoder_size=8, encoder_layers=1, speaker_embedding_size=EMBEDDING_SIZE, speaker_size=4,
    attention_size=8, attention_filters=2, attention_kernel=5, prenet_sizes=(8, 8), decoder_size=16, postnet_size=8,
    postnet_layers=1,
)  # fmt: skip
SHORT: dict[str, Any] = {
    "steps": 2, "precision": "fp32", "device": "cpu", "threads": 1, "validate_every": 0, "save_every": 0,
}  # fmt: skip


def prepare(stage: str, corpus, store, *more: object) -> FeatureStore:
    preprocess.main([str(word) for word in (stage, corpus, "--out", store, "--jobs", 0, *MEL_FLAGS, *more)])
    return FeatureStore(store)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A corpus at 24 kHz with energy above 8 kHz, the encoder, and the stores of synthesizer and vocoder."""
    folder = tmp_path_factory.mktemp("24khz")
    (folder / "models").mkdir()
    toy_encoder().save(folder / "models/encoder.safetensors")
    hiss = 0.02 * np.random.default_rng(0).standard_normal(2 * RATE).astype(np.float32)
    for number in range(4):
        path = folder / f"corpus/s{number}/1.wav"
        path.parent.mkdir(parents=True)
        wav = resample(speech_like(2.4, seed=number), 16_000, RATE)
        wav[: len(hiss)] += hiss
        write_audio(path, wav, RATE)
        path.with_suffix(".txt").write_text(TEXT)
    arguments = ("--encoder", folder / "models/encoder.safetensors", "--validation-speakers", "s0")
    prepare("synthesizer", folder / "corpus", folder / "synthesizer", *arguments)
    prepare("vocoder", folder / "corpus", folder / "vocoder", "--validation-speakers", "s0")
    return folder


def test_stores_have_the_sample_rate(folder):
    synthesizer, vocoder = FeatureStore(folder / "synthesizer"), FeatureStore(folder / "vocoder")
    assert synthesizer.mel_config == vocoder.mel_config == MEL
    index = synthesizer.find("corpus/s1/1.wav")
    seconds = synthesizer.meta(index)["seconds"]
    assert 2.2 < seconds < 2.5
    mel = synthesizer.array(index, "mel")
    assert mel.shape == (round(seconds * 80) + 1, 60)
    assert mel[20:100, -4:].mean() > 30  # bands above 8 kHz, which no audio at 16 kHz would fill
    wav = vocoder.array(vocoder.find("corpus/s1/1.wav"), "wav")
    assert len(wav) == 300 * len(mel)
    embedding = synthesizer.array(index, "embedding")
    assert embedding @ toy_encoder().embed(read_audio(folder / "corpus/s1/1.wav")) > 0.999  # read at 16 kHz


def test_other_settings_in_a_store_are_refused(folder, capsys):
    with pytest.raises(SystemExit):
        preprocess.main(["vocoder", str(folder / "corpus"), "--out", str(folder / "vocoder"), "--jobs", "0"])
    error = capsys.readouterr().err
    assert "mel_config.sample_rate is 24000 in the store, not 16000" in error


def test_train_and_speak(folder):
    train_synth.main(TacotronFlags(folder / "synthesizer", run=folder / "a", architecture=ARCHITECTURE, **SHORT))
    sizes = SpectralConfig(channels=8, hidden=12, blocks=1, kernel=3)
    flags = SpectralFlags(folder / "vocoder", run=folder / "b", model=sizes, batch_size=2, frames=12, **SHORT)
    train_vocoder.main(flags)
    files = {"synthesizer": folder / "a/model.safetensors", "vocoder": folder / "b/model.safetensors"}
    cloner = VoiceCloner.load(folder / "models", **files, device="cpu")
    voice = cloner.enroll(speech_like(4.0), name="ann", on_remark=lambda *_: None)
    speech = cloner.speak("Hello.", voice, SpeechOptions(seed=1))
    assert speech.sample_rate == RATE and speech.mel.shape[0] == 60
    assert len(speech.wav) == 300 * speech.mel.shape[1] and np.isfinite(speech.wav).all()
    griffin_lim = VoiceCloner.load(folder / "models", **{**files, "vocoder": "griffin-lim"}, device="cpu")
    assert len(griffin_lim.speak("Hello.", voice, seed=1).wav) == len(speech.wav)


def toy_spectral_vocoder(mel: MelConfig) -> SpectralVocoder:
    torch.manual_seed(0)
    return SpectralVocoder(SpectralGenerator(SpectralConfig(channels=8, hidden=12, blocks=1, kernel=3, mel=mel)))


def test_a_vocoder_of_a_different_rate_is_refused(folder):
    toy_synthesizer().save(folder / "models/synthesizer.safetensors")
    toy_spectral_vocoder(MEL).save(folder / "vocoder.safetensors")
    with pytest.raises(ConfigError) as refused:
        VoiceCloner.load(folder / "models", vocoder=folder / "vocoder.safetensors", device="cpu")
    assert_one_sentence(str(refused.value))


def test_a_synthesizer_of_a_different_rate_is_not_trained_further(folder, tmp_path, capsys):
    toy_synthesizer().save(tmp_path / "start.safetensors")
    start = tmp_path / "start.safetensors"
    with pytest.raises(SystemExit) as stopped:
        train_synth.main(TacotronFlags(folder / "synthesizer", run=tmp_path / "run", warm_start=start, **SHORT))
    assert stopped.value.code == 2
    assert_one_sentence(capsys.readouterr().err.strip().splitlines()[-1])


def test_a_vocoder_of_a_different_rate_is_not_trained_further(folder, tmp_path, capsys):
    toy_spectral_vocoder(MelConfig()).save(tmp_path / "start.safetensors")
    start = tmp_path / "start.safetensors"
    with pytest.raises(SystemExit) as stopped:
        train_vocoder.main(SpectralFlags(folder / "vocoder", run=tmp_path / "run", start_from=start, **SHORT))
    assert stopped.value.code == 2
    assert_one_sentence(capsys.readouterr().err.strip().splitlines()[-1])


def assert_one_sentence(sentence: str) -> None:
    assert "mel settings" in sentence and "sample_rate 16000" in sentence and "sample_rate 24000" in sentence
    assert sentence.count(". ") == 0 and sentence.endswith(".")
