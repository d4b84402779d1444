import pytest

from encoder import EncoderConfig
from speech.errors import ConfigError


def test_defaults_are_the_public_encoder() -> None:
    config = EncoderConfig()
    assert (config.n_mels, config.hidden_size, config.num_layers, config.embedding_size) == (40, 256, 3, 256)
    assert config.partial_samples == 25_600  # 1.6 s


@pytest.mark.parametrize(
    "wrong",
    [
        {"hidden_size": 0},
        {"compression": "cube"},
        {"partial_step": 0},
        {"partial_step": 161},
        {"min_coverage": 0.0},
        {"min_coverage": 1.5},
    ],
)
def test_senseless_settings_are_refused(wrong: dict) -> None:
    with pytest.raises(ConfigError):
        EncoderConfig(**wrong)
