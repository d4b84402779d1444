"""Public WaveRNN checkpoints as model files."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from modelfile.convert import convert_file, read_converted
from modelfile.header import read_header
from modelfile.public import PublicCheckpoint
from speech.errors import ModelFileError
from vocoder import Vocoder
from vocoder.wavernn.classic import ClassicWaveRNN
from vocoder.wavernn.convert import convert_public
from vocoder.wavernn.inference import WaveRNNVocoder


@pytest.fixture(scope="module", params=["raw", "mol"])
def mode(request):
    return request.param


@pytest.fixture(scope="module")
def converted(golden_dir, mode, tmp_path_factory):
    output = tmp_path_factory.mktemp("converted") / f"{mode}.safetensors"
    convert_file(golden_dir / f"vocoder_small_{mode}.pt", output)
    return output


def test_converted_weights_give_the_golden_outputs(golden_dir, mode, converted):
    golden = np.load(golden_dir / f"vocoder_small_{mode}.npz")
    vocoder = Vocoder.load(converted, engine="torch")
    assert isinstance(vocoder, WaveRNNVocoder)
    model = vocoder.model
    assert isinstance(model, ClassicWaveRNN)
    assert (model.config.shape, model.config.mode, model.config.residual_blocks) == ("classic", mode, 3)
    mel = torch.from_numpy(np.pad(golden["mel"], ((0, 0), (2, 2)))[None])
    values = torch.from_numpy(golden["x"])[None]
    samples = values if mode == "mol" else (values + 1) * 511 / 2  # fractional labels, as recorded
    with torch.no_grad():
        upsampled, frames = model.condition(mel)
        outputs = model(samples, mel)[0, :600]
    assert np.abs(upsampled[0].numpy() - golden["upsampled_mel"]).max() < 1e-4
    assert np.abs(frames[0].repeat_interleave(200, dim=0).numpy() - golden["aux"]).max() < 1e-4
    assert np.abs(outputs.numpy() - golden["logits"]).max() < 1e-4


def test_the_file_says_where_it_comes_from(golden_dir, mode, converted):
    header = read_header(converted)
    assert (header.stage, header.kind, header.step) == ("vocoder", "wavernn", 123)
    assert header.extra["converted_from"] == f"vocoder_small_{mode}.pt" and len(header.extra["source_sha256"]) == 64


def test_a_converted_vocoder_speaks(converted):
    mel = np.random.default_rng(1).uniform(-4, 4, (80, 2)).astype(np.float32)
    assert Vocoder.load(converted, engine="torch").vocode(mel, seed=0).shape == (400,)


def public_wavernn(outputs=512, bands=80, factors=(5, 5, 8)) -> PublicCheckpoint:
    """The tensors of a tiny public WaveRNN without residual blocks that its sizes are read from."""
    tensors = {
        "upsample.resnet.conv_in.weight": torch.zeros(8, bands, 5),
        "upsample.resnet.conv_out.weight": torch.zeros(8, 8, 1),
        "rnn1.weight_hh_l0": torch.zeros(24, 8),
        "fc1.weight": torch.zeros(8, 10),
        "fc3.weight": torch.zeros(outputs, 8),
    }
    filters = {f"upsample.up_layers.{2 * k + 1}.weight": torch.zeros(1, 1, 1, 2 * f + 1) for k, f in enumerate(factors)}
    return PublicCheckpoint("vocoder.pt", {**tensors, **filters})


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"factors": (5, 5, 11)}, "every 275 samples"),
        ({"bands": 40}, "40 mel bands"),
        ({"outputs": 300}, "neither a power of 2"),
    ],
)
def test_different_mels_and_outputs_are_refused(changes, reason):
    with pytest.raises(ModelFileError, match=reason):
        convert_public(public_wavernn(**changes))


def test_unknown_and_missing_tensors_are_refused():
    checkpoint = public_wavernn()
    assert convert_public(replace(checkpoint, tensors={"rnn1.weight_hh_l0": torch.zeros(1)})) is None
    with pytest.raises(ModelFileError, match="extra"):
        convert_public(replace(checkpoint, tensors={**checkpoint.tensors, "extra.weight": torch.zeros(1)}))
    without = {name: value for name, value in checkpoint.tensors.items() if name != "fc1.weight"}
    with pytest.raises(ModelFileError, match="fc1"):
        convert_public(replace(checkpoint, tensors=without))


def test_other_stages_are_refused(golden_dir):
    with pytest.raises(ModelFileError, match="is a public vocoder"):
        read_converted(golden_dir / "vocoder_small_raw.pt", "encoder")
