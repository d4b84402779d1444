"""The public synthesizer as a model file."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from modelfile.convert import convert_file
from modelfile.header import read_header
from modelfile.public import PublicCheckpoint
from speech.errors import ModelFileError, TextError
from synthesizer import Synthesizer
from synthesizer.options import EmbeddedVoice
from synthesizer.tacotron1.convert import convert_public
from synthesizer.tacotron1.decoding import Sentence, free_run
from synthesizer.tacotron1.inference import Tacotron1Synthesizer
from synthesizer.text.transcript import encode


@pytest.fixture(scope="module")
def converted(golden_dir, tmp_path_factory):
    output = tmp_path_factory.mktemp("converted") / "synthesizer.safetensors"
    convert_file(golden_dir / "synthesizer_small.pt", output)
    return output


@pytest.mark.parametrize(("engine", "largest"), [("torch", 1e-4), ("auto", 2e-2)])  # int8 weights in the compiled one
def test_mel_and_attention_equal_the_golden_ones(golden_dir, converted, engine, largest):
    golden = np.load(golden_dir / "synthesizer_small.npz")
    synthesizer = Synthesizer.load(converted)
    assert isinstance(synthesizer, Tacotron1Synthesizer)
    model, settings = synthesizer.model, synthesizer.config.inference
    assert settings.reduction_factor == 2 and settings.silence_threshold == -3.4
    for prenet in (model.prenet, model.decoder.prenet):
        assert prenet.dropout == 0.5
        prenet.dropout = 0.0
    symbols = encode(synthesizer.transcribe(str(golden["text"])), 0.0)
    run = free_run(model, Sentence(symbols, golden["embedding"], 0), settings, most_steps=30, engine=engine)
    assert np.abs(run.frames[0].T.numpy() - golden["mel"]).max() < largest
    assert np.abs(run.mel[0].T.numpy() - golden["linear"]).max() < largest
    assert np.abs(run.alignment.T.numpy() - golden["attention"]).max() < largest


def test_the_file_describes_itself(converted):
    header = read_header(converted)
    assert (header.stage, header.kind, header.embedding_space) == ("synthesizer", "tacotron1", "ge2e-public-256")
    assert header.extra["converted_from"] == "synthesizer_small.pt"


@pytest.mark.parametrize("count", [70, 75])
def test_a_model_of_pinyin_is_converted_and_speaks(golden_dir, tmp_path, count):
    state = torch.load(golden_dir / "synthesizer_small.pt", weights_only=True)
    embedding = state["model_state"]["encoder.embedding.weight"]
    state["model_state"]["encoder.embedding.weight"] = torch.zeros(count, embedding.shape[1])
    torch.save(state, tmp_path / "chinese.pt")
    convert_file(tmp_path / "chinese.pt", tmp_path / "chinese.safetensors")
    synthesizer = Synthesizer.load(tmp_path / "chinese.safetensors")
    assert isinstance(synthesizer, Tacotron1Synthesizer) and synthesizer.config.architecture.n_symbols == count
    mel = np.zeros((80, 20), np.float32)
    voice = EmbeddedVoice(np.full(synthesizer.embedding_size, synthesizer.embedding_size**-0.5, np.float32))
    assert synthesizer.align("ni3 hao3", mel, voice).alignment.shape == (9, 10)
    with pytest.raises(TextError, match="pinyin"):
        synthesizer.transcribe("\u4f60\u597d")


def test_incomplete_and_different_models_are_refused(golden_dir):
    state = torch.load(golden_dir / "synthesizer_small.pt", weights_only=True)["model_state"]
    state.pop("step")
    checkpoint = PublicCheckpoint("synthesizer.pt", state)

    def refused(**tensors):
        with pytest.raises(ModelFileError) as error:
            convert_public(replace(checkpoint, tensors={**state, **tensors}))
        return str(error.value)

    assert "80 text symbols" in refused(**{"encoder.embedding.weight": torch.zeros(80, 32)})
    assert "style tokens" in refused(**{"gst.stl.embed": torch.zeros(10, 64)})
    assert "80 bands" in refused(**{"post_proj.weight": torch.zeros(1025, 32)})
    assert "no speaker embedding" in refused(**{"encoder_proj.weight": torch.zeros(16, 16)})
    del state["decoder.mel_proj.weight"]
    assert "decoder.mel_proj.weight" in refused()
    assert convert_public(replace(checkpoint, tensors={"a": torch.zeros(1)})) is None
