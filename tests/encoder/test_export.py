import sys

import numpy as np
import pytest
import torch

from encoder import SpeakerEncoder
from encoder.export import LARGEST_DIFFERENCE, export_onnx, main
from modelfile.locations import DEFAULT_MODELS
from tests.encoder.campplus.test_inference import toy_encoder as toy_campplus
from tests.toy_models import toy_encoder as toy_lstm


@pytest.mark.slow  # the exporter of PyTorch takes seconds
@pytest.mark.timeout(600)
@pytest.mark.parametrize("make", [toy_lstm, toy_campplus])
def test_the_graph_gives_the_same_embeddings(tmp_path, capsys, make) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    encoder = make()
    encoder.save(tmp_path / "encoder.safetensors")
    path = tmp_path / "encoder.onnx"
    main([str(tmp_path / "encoder.safetensors"), str(path)])
    assert f"embeddings of {encoder.config.embedding_size}" in capsys.readouterr().out
    session = onnxruntime.InferenceSession(str(path))
    metadata = session.get_modelmeta().custom_metadata_map
    assert (metadata["kind"], metadata["embedding_space"]) == (encoder.kind, "toy")
    mels = np.random.default_rng(0).random((4, *session.get_inputs()[0].shape[1:]), dtype=np.float32)
    (found,) = session.run(None, {"mels": mels})
    expected = encoder.model(torch.from_numpy(mels)).numpy()
    np.testing.assert_allclose(found, expected, atol=LARGEST_DIFFERENCE)
    with pytest.raises(SystemExit) as stopped:
        main([str(tmp_path / "encoder.safetensors"), str(path)])
    assert stopped.value.code == 2 and "--force" in capsys.readouterr().err


@pytest.mark.slow  # the exporter of PyTorch takes seconds
@pytest.mark.timeout(600)
def test_the_default_encoder_is_exported(tmp_path) -> None:
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    encoder = SpeakerEncoder.load(DEFAULT_MODELS / "encoder.safetensors", precision="fp32")
    assert export_onnx(encoder, tmp_path / "encoder.onnx") <= LARGEST_DIFFERENCE


@pytest.mark.parametrize("package", ["onnx", "onnxscript", "onnxruntime"])
def test_a_missing_package_is_named(tmp_path, monkeypatch, capsys, package) -> None:
    for name in ("onnx", "onnxscript", "onnxruntime"):
        monkeypatch.setitem(sys.modules, name, sys)  # any module
    monkeypatch.setitem(sys.modules, package, None)
    toy_lstm().save(tmp_path / "encoder.safetensors")
    with pytest.raises(SystemExit) as stopped:
        main([str(tmp_path / "encoder.safetensors"), str(tmp_path / "encoder.onnx")])
    assert stopped.value.code == 2
    assert f"pip install {package}" in capsys.readouterr().err
    assert not (tmp_path / "encoder.onnx").exists()
