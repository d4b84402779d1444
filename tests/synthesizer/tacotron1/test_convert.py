"""The public synthesizer as a model file."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from modelfile.convert import convert_file
from modelfile.header import read_header
from modelfile.public import PublicCheckpoint
from speech.errors import ModelFileError
from synthesizer import Synthesizer
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


def test_incomplete_and_different_models_are_refused(golden_dir):
    state = torch.load(golden_dir / "synthesizer_small.pt", weights_only=True)["model_state"]
    state.pop("step")
    checkpoint = PublicCheckpoint("synthesizer.pt", state)

    def refused(**tensors):
        with pytest.raises(ModelFileError) as error:
            convert_public(replace(checkpoint, tensors={**state, **tensors}))
        return str(error.value)

    assert "75 text symbols" in refused(**{"encoder.embedding.weight": torch.zeros(75, 32)})
    assert "80 bands" in refused(**{"post_proj.weight": torch.zeros(1025, 32)})
    assert "no speaker embedding" in refused(**{"encoder_proj.weight": torch.zeros(16, 16)})
    del state["decoder.mel_proj.weight"]
    assert "decoder.mel_proj.weight" in refused()
    assert convert_public(replace(checkpoint, tensors={"a": torch.zeros(1)})) is None
