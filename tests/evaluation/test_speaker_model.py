"""Speaker models as judges: what they take, and which files are refused. The models are tiny."""

import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch

from evaluation.speaker_model import SpeakerModel, feature_extractor, load_speaker_model
from speech.errors import ConfigError, ModelFileError
from tests.toy_models import speech_like, toy_encoder

WAV = speech_like(1.0)


class Bands(ModuleType):
    """kaldi_native_fbank without its filters: frame k has 80 bands of the value k."""

    def __init__(self):
        super().__init__("kaldi_native_fbank")
        self.rates = []

    def FbankOptions(self):
        return SimpleNamespace(frame_opts=SimpleNamespace(), mel_opts=SimpleNamespace())

    def OnlineFbank(self, options):
        assert (options.frame_opts.dither, options.mel_opts.num_bins) == (0, 80)
        return self

    def accept_waveform(self, rate, samples):
        self.rates.append(rate)
        self.num_frames_ready = 1 + (len(samples) - 400) // 160

    def input_finished(self):
        pass

    def get_frame(self, index):
        return np.full(80, index, np.float32)


@pytest.fixture
def bands(monkeypatch):
    package = Bands()
    monkeypatch.setitem(sys.modules, "kaldi_native_fbank", package)
    return package


@pytest.mark.parametrize(
    ("shape", "kind", "found"),
    [
        (["batch", "samples"], "auto", (1, 16_000)),
        ([1, 1, None], "auto", (1, 1, 16_000)),
        (["batch", "frames", 80], "auto", (1, 98, 80)),
        ([1, 80, "frames"], "auto", (1, 80, 98)),
        (["batch", "frames", "bands"], "fbank", (1, 98, 80)),
        (None, "fbank", (1, 98, 80)),
        (None, "waveform", (1, 16_000)),
    ],
)
def test_the_input_follows_from_the_shape_or_the_flag(bands, shape, kind, found):
    features = feature_extractor(shape, kind, "model.onnx")(WAV)
    assert features.shape == found
    assert features.dtype == np.float32
    if 80 in found:
        assert bands.rates == [16_000]
        assert features.mean() == pytest.approx(0, abs=1e-4)
        assert features.std() > 1


@pytest.mark.parametrize("shape", [None, ["batch", "frames", "bands"], [1, 40, "frames"], []])
def test_an_unclear_input_asks_for_the_flag(shape):
    with pytest.raises(ConfigError, match="--speaker-input"):
        feature_extractor(shape, "auto", "model.onnx")


def test_features_are_those_of_kaldi():
    package = pytest.importorskip("kaldi_native_fbank")
    tone = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(16_000) / 16_000).astype(np.float32)
    wav = np.concatenate([tone, 0.01 * tone])
    features = feature_extractor([1, "frames", 80], "auto", "model.onnx")(wav)[0]
    assert package and features.shape == (198, 80)
    np.testing.assert_allclose(features.mean(axis=0), 0, atol=1e-4)
    band = int(np.argmax(features[:90].mean(axis=0) - features[105:].mean(axis=0)))
    assert features[10, band] - features[150, band] == pytest.approx(2 * np.log(100), abs=0.1)


def test_embeddings_have_norm_1_and_short_clips_none():
    model = SpeakerModel(lambda features: 3 * features[:, :4], lambda wav: wav[None], "toy", 0.5)
    embedding = model.embed(WAV)
    assert embedding is not None and np.linalg.norm(embedding) == pytest.approx(1)
    assert model.embed(WAV[:4000]) is None
    assert model.embed(np.zeros(16_000, np.float32)) is None
    assert "toy" in model.note and "0.5" in model.note


class Means(torch.nn.Module):
    """Embeds the means of four parts of a waveform."""

    def forward(self, wav: torch.Tensor) -> torch.Tensor:
        return wav.abs()[:, : wav.shape[1] // 4 * 4].reshape(wav.shape[0], 4, -1).mean(dim=2)


def expected(wav):
    means = np.abs(wav).reshape(4, -1).mean(axis=1)
    return means / np.linalg.norm(means)


def test_a_torchscript_file(tmp_path):
    path = tmp_path / "means.pt"
    torch.jit.script(Means()).save(str(path))
    model = load_speaker_model(f"mine={path}", "waveform", 0.6)
    assert (model.name, model.threshold) == ("mine", 0.6)
    np.testing.assert_allclose(np.asarray(model.embed(WAV)), expected(WAV), rtol=1e-5)
    with pytest.raises(ConfigError, match="--speaker-input"):
        load_speaker_model(str(path))


class Product(torch.nn.Module):
    """Cannot be run on one waveform."""

    def forward(self, wav: torch.Tensor) -> torch.Tensor:
        return wav @ wav


@pytest.mark.parametrize(
    ("module", "message"), [(Product(), "cannot be run"), (torch.nn.Threshold(10.0, 0.0), "no finite embedding")]
)
def test_a_model_is_run_once_before_it_is_used(tmp_path, module, message):
    path = str(tmp_path / "model.pt")
    torch.jit.script(module).save(path)
    with pytest.raises(ModelFileError, match=message):
        load_speaker_model(path, "waveform")


def test_an_onnx_file(tmp_path):
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    nodes = [
        helper.make_node("Abs", ["wav"], ["absolute"]),
        helper.make_node("Reshape", ["absolute", "sizes"], ["parts"]),
        helper.make_node("ReduceMean", ["parts"], ["embedding"], axes=[2], keepdims=0),
    ]
    graph = helper.make_graph(
        nodes,
        "means",
        [helper.make_tensor_value_info("wav", kind, [1, "samples"])],
        [helper.make_tensor_value_info("embedding", kind, [1, 4])],
        [helper.make_tensor("sizes", onnx.TensorProto.INT64, [3], [1, 4, -1])],
    )
    path = tmp_path / "means.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
    model = load_speaker_model(str(path))
    assert model.name == "means"
    np.testing.assert_allclose(np.asarray(model.embed(WAV)), expected(WAV), rtol=1e-5)
    path.write_bytes(b"no graph")
    with pytest.raises(ModelFileError, match="name an ONNX file"):
        load_speaker_model(str(path))


class Session:
    """An onnxruntime session of the mean of a waveform's parts."""

    inputs = (SimpleNamespace(name="wav", shape=[1, "samples"]),)

    def __init__(self, path, options, providers):
        assert providers == ["CPUExecutionProvider"]

    def get_inputs(self):
        return self.inputs

    def run(self, outputs, feeds):
        return [np.abs(feeds["wav"]).reshape(4, -1).mean(axis=1)[None], "a second output"]


def test_an_onnx_session(tmp_path, monkeypatch):
    package = SimpleNamespace(SessionOptions=SimpleNamespace, InferenceSession=Session)
    monkeypatch.setitem(sys.modules, "onnxruntime", package)
    path = tmp_path / "means.onnx"
    path.touch()
    np.testing.assert_allclose(np.asarray(load_speaker_model(str(path)).embed(WAV)), expected(WAV), rtol=1e-5)

    monkeypatch.setattr(Session, "inputs", (SimpleNamespace(name="wav", shape=[1, "n"]),) * 2)
    with pytest.raises(ModelFileError, match="one input"):
        load_speaker_model(str(path))
    monkeypatch.setattr(Session, "inputs", (SimpleNamespace(name="other", shape=[1, "n"]),))
    with pytest.raises(ModelFileError, match="cannot be run"):
        load_speaker_model(str(path))


def test_an_encoder_file(tmp_path):
    encoder = toy_encoder()
    encoder.save(tmp_path / "toy.safetensors")
    judge = load_speaker_model(str(tmp_path / "toy.safetensors"), threshold=0.5)
    assert (judge.name, judge.threshold) == ("toy", 0.5)
    np.testing.assert_allclose(np.asarray(judge.embed(WAV)), encoder.embed(WAV), atol=1e-5)


def test_files_that_are_no_model(tmp_path):
    (tmp_path / "text.pt").write_text("text")
    with pytest.raises(ModelFileError, match="not a TorchScript file"):
        load_speaker_model(str(tmp_path / "text.pt"), "waveform")
    with pytest.raises(ModelFileError, match="no speaker model"):
        load_speaker_model(f"mine={tmp_path}")


def test_missing_packages_are_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    (tmp_path / "model.onnx").touch()
    with pytest.raises(ConfigError, match="pip install onnxruntime"):
        load_speaker_model(str(tmp_path / "model.onnx"))
    monkeypatch.setitem(sys.modules, "kaldi_native_fbank", None)
    with pytest.raises(ConfigError, match="pip install kaldi-native-fbank"):
        feature_extractor([1, "frames", 80], "auto", "model.onnx")
