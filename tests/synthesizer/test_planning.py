"""Settings that a training takes from its feature store."""

from dataclasses import replace

import pytest

from speech.errors import ConfigError
from synthesizer.planning import with_store_settings
from synthesizer.tacotron.config import TacotronConfig
from synthesizer.tacotron1.config import Tacotron1Config
from synthesizer.vits.config import VitsConfig
from tests.synthesizer.toy import toy_store


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return toy_store(tmp_path_factory.mktemp("planning") / "store", embedding_size=16)


@pytest.mark.parametrize("family", [TacotronConfig, Tacotron1Config, VitsConfig])
def test_a_new_model_takes_the_embeddings_of_the_store(store, family):
    config = family()
    found = with_store_settings(config, store, from_file=False)
    assert found == replace(config, architecture=replace(config.architecture, speaker_embedding_size=16))
    other = with_store_settings(config, store, from_file=False, embedding_size=12)
    assert other.architecture.speaker_embedding_size == 12


@pytest.mark.parametrize("family", [TacotronConfig, Tacotron1Config, VitsConfig])
def test_other_embeddings_are_refused(store, family):
    config = family()
    with pytest.raises(ConfigError, match="--speaker-embedding-size"):
        with_store_settings(config, store, from_file=True)
    chosen = replace(config, architecture=replace(config.architecture, speaker_embedding_size=12))
    with pytest.raises(ConfigError, match="takes 12"):
        with_store_settings(chosen, store, from_file=False)
