import numpy as np
import torch

from encoder import SpeakerEncoder
from encoder.campplus.config import CAMPPlusConfig
from encoder.campplus.inference import CAMPPlusEncoder
from encoder.campplus.model import CAMPPlusModel
from modelfile.header import read_header
from modelfile.locations import ROOT, SAMPLES
from speech.audio import read_audio
from tests.toy_models import speech_like

TOY = CAMPPlusConfig(embedding_size=6, head_channels=2, channels=8, growth_rate=4, bottleneck=2, layers=(1, 2, 1))


def toy_encoder() -> CAMPPlusEncoder:
    torch.manual_seed(0)
    return CAMPPlusEncoder(CAMPPlusModel(TOY), embedding_space="toy", licence="CC0", trained_on="nothing", step=3)


def test_embeds_speech_in_partials_of_two_seconds() -> None:
    encoder = toy_encoder()
    partials = encoder.partials(speech_like(7.0), prepared=True)
    assert partials.embeddings.shape == (3, 6)  # the last second is less than three quarters of a partial
    np.testing.assert_allclose(np.linalg.norm(partials.embedding), 1, rtol=1e-5)
    assert encoder.features(speech_like(2.0), 210).shape == (210, 80)
    many = encoder.embed_many([speech_like(3.0), speech_like(4.0)])
    np.testing.assert_allclose(many[0], encoder.embed(speech_like(3.0)), atol=1e-5)


def test_save_and_load_keep_embeddings_and_header(tmp_path) -> None:
    encoder, path = toy_encoder(), tmp_path / "encoder.safetensors"
    encoder.save(path)
    again = SpeakerEncoder.load(path)
    assert isinstance(again, CAMPPlusEncoder)
    assert (again.config, again.embedding_space, again.step) == (TOY, "toy", 3)
    assert (read_header(path).kind, read_header(path).licence) == ("campplus", "CC0")
    np.testing.assert_array_equal(again.embed(speech_like(3.0)), encoder.embed(speech_like(3.0)))


def test_the_included_encoder_tells_speakers_apart() -> None:
    encoder = SpeakerEncoder.load(ROOT / "models" / "unlabelled" / "encoder.safetensors")
    assert encoder.kind == "campplus"
    halves = []
    for path in sorted(SAMPLES.glob("*.flac")):
        wav = read_audio(path)
        halves.append([encoder.embed(part) for part in np.array_split(wav, 2)])
    first, second = (np.stack(part) for part in zip(*halves, strict=True))
    cosines = first @ second.T
    assert cosines.diagonal().min() > (cosines - np.eye(len(cosines)) * 2).max()
