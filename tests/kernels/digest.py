"""Print digests of a compiled library's results on small random inputs: `python -m tests.kernels.digest LIBRARY`."""

import hashlib
import logging
import sys
from collections.abc import Iterator

import numpy as np
import torch

from kernels.alignment_search import search_alignment
from synthesizer.tacotron.fast_decoder import FastDecoder
from synthesizer.tacotron.model import Tacotron2
from synthesizer.tacotron1.config import InferenceSettings
from synthesizer.tacotron1.decoding import Sentence, free_run
from synthesizer.tacotron1.model import Tacotron1
from tests.synthesizer.tacotron1.toy import toy_config as toy_tacotron1
from tests.synthesizer.toy import toy_config
from tests.vocoder.conftest import make_config
from tests.vocoder.spectral.test_fast_layers import with_int8_weights
from vocoder.spectral.config import SpectralConfig
from vocoder.spectral.fast_layers import FastBlock, FastHead, Workspace
from vocoder.wavernn.engine import CompiledSampler
from vocoder.wavernn.model import build_wavernn
from waveform.fast_blend import fast_blend
from waveform.phase import Frames

RNG = np.random.default_rng(0)


def decoder(attention: str) -> Iterator[np.ndarray]:
    memories = [torch.from_numpy(RNG.normal(size=(tokens, 16)).astype(np.float32)) for tokens in (7, 19, 12)]
    speakers = torch.from_numpy(RNG.normal(size=(3, 8)).astype(np.float32))
    config = toy_config(attention=attention, decoder_size=72, attention_size=40)
    run = FastDecoder(Tacotron2(config).eval().requires_grad_(False), 0.5, 2).start(memories, speakers, [60] * 3)
    for first in (0, 16, 32):
        masks = RNG.integers(0, 2, (3, 16, sum(config.prenet_sizes))).astype(np.float32)
        yield from run.advance(first, masks, 5, None if first else (1, 3))


def decoder_of_tacotron1() -> Iterator[np.ndarray]:
    model = Tacotron1(toy_tacotron1()).eval().requires_grad_(False)
    sentence = Sentence(RNG.integers(2, 60, 9), np.full(256, 1 / 16, np.float32), seed=0)
    for window in (None, (1, 3)):
        made = free_run(model, sentence, InferenceSettings(2), window=window, most_steps=40)
        yield from (made.frames.numpy(), made.alignment.numpy())


def network() -> Iterator[np.ndarray]:
    model = with_int8_weights(72, 100, 5, blocks=1)
    x, workspace = torch.from_numpy(RNG.normal(size=(120, 72)).astype(np.float32)), Workspace(model)
    yield FastBlock(model.blocks[0])(x, workspace).numpy()  # type: ignore[arg-type]
    yield FastHead(model)(x, workspace).numpy()


def spectra(frames: int, n_fft: int) -> np.ndarray:
    parts = RNG.standard_normal((2, frames, n_fft // 2 + 1)).astype(np.float32)
    return parts[0] + np.complex64(1j) * parts[1]


def search() -> Iterator[np.ndarray]:
    for n_fft, hop in ((120, 30), (256, 64)):
        frames = Frames(n_fft, hop, np.hanning(n_fft).astype(np.float32))
        yield frames.search_phase(np.abs(spectra(20, n_fft)), spectra(20, n_fft), 2, 6, lambda: None)


def alignment() -> Iterator[np.ndarray]:
    scores = RNG.normal(size=(2, 300, 70)).astype(np.float32)
    yield search_alignment(scores, np.array([70, 31]), np.array([300, 40]))


def blend() -> Iterator[np.ndarray]:
    config = SpectralConfig().mel
    frames = Frames.of(config).fast_search(20)
    refine = fast_blend(config)
    assert frames is not None and refine is not None
    frames.resynthesise(spectra(20, config.n_fft))
    refine(frames, RNG.uniform(-4, 2, (config.n_mels, 20)).astype(np.float32))
    yield from (frames.spectrum, frames.magnitude)


def wavernn(shape: str) -> Iterator[np.ndarray]:
    for mode in ("raw",) if shape == "excitation" else ("raw", "mol"):
        model = build_wavernn(make_config(shape, mode, hidden_size=40, fc_size=24)).eval().requires_grad_(False)
        samples = RNG.integers(0, 512, 400) if mode == "raw" else RNG.uniform(-1, 1, 400).astype(np.float32)
        yield CompiledSampler(model).outputs(RNG.uniform(-4, 4, (80, 2)).astype(np.float32), samples)


def closed_loop() -> Iterator[np.ndarray]:
    from vocoder.wavernn.excitation_data import run_closed_loop

    config, samples = make_config("excitation"), 400
    wav = RNG.uniform(-0.1, 0.1, samples + 16).astype(np.float32)
    noise = RNG.normal(size=samples).astype(np.float32)
    coefficients = RNG.normal(size=(2, 4, 16)).astype(np.float32) / 16
    yield from run_closed_loop(wav, noise, coefficients, np.full((2, 4), 90, np.float32), config)


RESULTS = {
    "decoder-dynamic": lambda: decoder("dynamic-convolution"),
    "decoder-location": lambda: decoder("location-sensitive"),
    "decoder-tacotron1": decoder_of_tacotron1,
    "network": network, "search": search, "alignment": alignment, "blend": blend,
    "compact": lambda: wavernn("compact"), "classic": lambda: wavernn("classic"),
    "excitation": lambda: wavernn("excitation"), "closed-loop": closed_loop,
}  # fmt: skip

if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    torch.manual_seed(0)
    torch.set_num_threads(1)
    for result in RESULTS[sys.argv[1]]():
        print(result.shape, hashlib.sha256(np.ascontiguousarray(result).tobytes()).hexdigest())
