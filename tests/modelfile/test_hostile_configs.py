"""Model files whose config asks for far more than the file holds: one sentence, no gigabytes."""

import contextlib
import resource
from dataclasses import asdict, replace

import pytest
import torch
from torch import nn

from encoder.campplus.config import CAMPPlusConfig
from encoder.lstm.config import LSTMConfig
from modelfile.checkpoint import load_model_file, no_larger_than
from modelfile.families import Family, families_of, family_of
from modelfile.header import ModelHeader
from speech.errors import ModelFileError, SpeechError
from synthesizer.tacotron.config import TacotronConfig
from synthesizer.tacotron1.config import Tacotron1Config
from synthesizer.vits.config import VitsConfig
from vocoder.spectral.config import SpectralConfig
from vocoder.wavernn.config import WaveRNNConfig

CONFIGS = {
    "encoder": (LSTMConfig, CAMPPlusConfig),
    "synthesizer": (TacotronConfig, Tacotron1Config, VitsConfig),
    "vocoder": (SpectralConfig, WaveRNNConfig),
}
FAMILIES = [(stage, config) for stage, configs in CONFIGS.items() for config in configs]
SMALL_FILE = {"w": torch.zeros(10)}
SIZES = (2**15, 2**20, 2**31, 2**62, 2**70)


def family_with(stage: str, config: type) -> Family:
    return next(family for family in families_of(stage).values() if family.config is config)


def with_every_number(config: dict, number: int, path: tuple = ()):
    """The config with each of its whole numbers, one after the other, replaced by `number`."""
    for key, value in config.items():
        if isinstance(value, dict):
            for part in with_every_number(value, number):
                yield {**config, key: part}
        elif isinstance(value, tuple | list) and value and isinstance(value[0], int):
            yield {**config, key: [number] * len(value)}
            yield {**config, key: list(value) * 100_000}
        elif isinstance(value, int) and not isinstance(value, bool):
            yield {**config, key: number}


@pytest.mark.parametrize(("stage", "config"), FAMILIES, ids=lambda part: getattr(part, "__name__", part))
def test_every_family_has_a_hostile_test_and_refuses_huge_numbers(stage, config):
    assert {family.config for family in families_of(stage).values() if family.needs_file} == set(CONFIGS[stage])
    family = family_with(stage, config)
    whole = asdict(config())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for number in SIZES:
        for values in with_every_number(whole, number):
            with pytest.raises(SpeechError) as error:
                family.load(ModelHeader(stage, family.kind, values), dict(SMALL_FILE), "cpu")
            assert "\n" not in str(error.value)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000, "kilobytes"


def test_building_stops_at_the_first_parameter_beyond_the_file():
    built = []

    def layer() -> nn.Module:
        built.append(1)
        return nn.Linear(8, 8)

    with pytest.raises(ModelFileError, match="much larger"), no_larger_than({"w": torch.zeros(64)}):
        nn.Sequential(*(layer() for _ in range(100_000)))
    assert len(built) < 100
    nn.Linear(8, 8)  # the limit ends with the block


@pytest.mark.parametrize("size", [2**33, 2**62, -1])
def test_sizes_that_torch_refuses_get_one_sentence(size):
    with pytest.raises(ModelFileError) as error, no_larger_than(SMALL_FILE):
        nn.Linear(size, size)
    assert "\n" not in str(error.value)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["encoder", "synthesizer", "vocoder-spectral", "vocoder-wavernn"])
def test_huge_numbers_that_no_weight_depends_on_are_refused_or_harmless(repository, name):
    stage = name.split("-")[0]
    header, weights = load_model_file(repository / "models" / "default" / f"{name}.safetensors", stage)
    family = family_of(stage, header.kind)
    family.load(header, weights, "cpu")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for number in (2**15, 2**20, 2**62):
        for values in with_every_number(header.config, number):
            with contextlib.suppress(SpeechError):
                family.load(replace(header, config=values), weights, "cpu")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000, "kilobytes"
