"""Unit encoders from files."""

from __future__ import annotations

import hashlib
from pathlib import Path

from modelfile.checkpoint import load_into, load_model_file, no_larger_than
from modelfile.header import config_from_header
from speech.errors import ConfigError, ModelFileError
from synthesizer.units.base import STAGE, UnitEncoder
from synthesizer.units.config import UnitConfig
from synthesizer.units.encoders import CENTROIDS, MfccUnits, NetworkUnits
from synthesizer.units.hubert import HubertUnits, load_hubert
from synthesizer.units.model import UnitNetwork


def load_unit_encoder(path: str | Path, hubert: str | Path | None = None) -> UnitEncoder:
    """Load a unit encoder of any kind.

    Args:
        path: model file that `python -m synthesizer.units.training` or `python -m synthesizer.units.hubert` wrote.
        hubert: folder of the HuBERT or ContentVec model, for units that were made of its features; by default the
            folder `hubert` beside the file.

    Raises:
        ModelFileError: missing, damaged, not a unit encoder, or of an unknown kind.
        ConfigError: the folder is needed and missing, or not that of the units.
    """
    header, weights = load_model_file(path, STAGE)
    config = config_from_header(UnitConfig, header)
    centroids = weights.pop(CENTROIDS, None)
    if centroids is None or centroids.dim() != 2 or len(centroids) != config.units:
        raise ModelFileError(f"{path} does not have its {config.units} centroids: the file is damaged.")
    if header.kind == MfccUnits.kind:
        return MfccUnits(config, centroids.numpy(), header)
    if header.kind == HubertUnits.kind:
        folder = Path(path).parent / "hubert" if hubert is None else Path(hubert)
        if hubert is None and not folder.is_dir():
            raise ConfigError(f"{path} has units of a HuBERT model: put the folder of that model here: {folder}.")
        return HubertUnits(load_hubert(folder), config, centroids.numpy(), header)
    if header.kind != NetworkUnits.kind:
        raise ModelFileError(f"{path} has units of the unknown kind {header.kind!r}: update the program.")
    with no_larger_than(weights):
        network = UnitNetwork(config.network)
    load_into(network, weights)
    return NetworkUnits(network, config, centroids.numpy(), header)


def file_digest(path: str | Path) -> str:
    """Identifies a unit file: stores and models of its units name it, so that others are refused."""
    return hashlib.blake2b(Path(path).read_bytes(), digest_size=8).hexdigest()
