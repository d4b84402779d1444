import pytest

from encoder.campplus.config import CAMPPlusConfig
from speech.errors import ConfigError


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"n_mels": 42}, "multiple of 8"),
        ({"embedding_size": 0}, "embedding_size"),
        ({"layers": (1, 0, 1)}, "layers"),
        ({"layers": (1, 2)}, "layers"),
    ],
)
def test_invalid_sizes_are_refused(values, sentence) -> None:
    with pytest.raises(ConfigError, match=sentence):
        CAMPPlusConfig(**values)
