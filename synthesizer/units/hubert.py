"""Units of a public HuBERT or ContentVec model, by the optional package transformers.

    python -m synthesizer.units.hubert FOLDER stores/vocoder --layer 9 --units 200 --out units.safetensors

FOLDER is a local model with safetensors weights, as `save_pretrained` writes it. Nothing is downloaded. The output has
the centroids only: the folder is needed to use them.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import tyro
from numpy.typing import NDArray
from tyro.conf import Positional

from modelfile.header import ModelHeader
from speech.audio import as_wav
from speech.errors import AudioError, ConfigError, ModelFileError, StorageError, exit_on_speech_error
from speech.packages import require_package
from synthesizer.units.base import STAGE, UnitEncoder
from synthesizer.units.clusters import fit_centroids
from synthesizer.units.config import HOP, UnitConfig
from synthesizer.units.encoders import save_encoder

if TYPE_CHECKING:
    from corpora.store import FeatureStore

logger = logging.getLogger(__name__)

WINDOW = 400  # samples that a frame of HuBERT covers
BLOCK, CONTEXT = 1000 * HOP, 100 * HOP  # samples computed together, and further ones on either side
DIGEST = "hubert_sha256"  # entry of the header: of the model's weights
WEIGHTS = "model.safetensors"
ROWS = 200_000  # frames that centroids are fitted to, at most


class HubertModel:
    """A HuBERT model of a folder, and the digest of its weights.

    Attributes:
        model: `transformers.HubertModel`, in inference mode.
        digest: the first 16 hexadecimal digits of the SHA-256 of the weights.
    """

    def __init__(self, model: Any, digest: str) -> None:
        self.model, self.digest = model.eval(), digest

    @property
    def layers(self) -> int:
        return int(self.model.config.num_hidden_layers)


def load_hubert(folder: str | Path) -> HubertModel:
    """Load a HuBERT or ContentVec model. Only local safetensors files are read.

    Raises:
        ConfigError: transformers is not installed.
        ModelFileError: there is no such model in the folder.
    """
    transformers = require_package("transformers", "HuBERT", "-r requirements-units.txt")
    folder = Path(folder)
    if not (folder / "config.json").is_file() or not (folder / WEIGHTS).is_file():
        raise ModelFileError(f"{folder} is no HuBERT model: give a folder with config.json and {WEIGHTS}.")
    try:
        model = transformers.HubertModel.from_pretrained(
            folder, local_files_only=True, use_safetensors=True, trust_remote_code=False
        )
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise ModelFileError(f"{folder} cannot be read as a HuBERT model ({type(error).__name__}).") from error
    with (folder / WEIGHTS).open("rb") as file:
        return HubertModel(model, hashlib.file_digest(file, "sha256").hexdigest()[:16])


class HubertUnits(UnitEncoder):
    """Clusters of a layer of a HuBERT model.

    Raises:
        ConfigError: the units are of a different model, or it has no such layer.
    """

    kind = "hubert"

    def __init__(
        self, hubert: HubertModel, config: UnitConfig, centroids: np.ndarray, header: ModelHeader | None = None
    ) -> None:
        super().__init__(config, centroids, header)
        made_of = self.header.extra.get(DIGEST, hubert.digest)
        if made_of != hubert.digest:
            raise ConfigError(
                f"The units are of a different HuBERT model ({made_of}) than the folder's: choose that one."
            )
        check_layer(hubert, config.layer)
        self.hubert = hubert

    def features(self, wav: np.ndarray) -> NDArray[np.float32]:
        return hubert_features(self.hubert, wav, self.config.layer)

    def save(self, path: str | Path) -> None:
        save_encoder(path, self, {})


def check_layer(hubert: HubertModel, layer: int) -> None:
    """Raises: ConfigError if the model has no such layer."""
    if layer > hubert.layers:
        raise ConfigError(f"The HuBERT model has {hubert.layers} layers: choose one of them, not {layer}.")


def hubert_features(hubert: HubertModel, wav: np.ndarray, layer: int) -> NDArray[np.float32]:
    """Output of a layer (from 1; 0 is the last): [samples] at 16 kHz -> float32 [samples // 320, width].

    Raises:
        AudioError: the clip is shorter than a frame.
    """
    wav = as_wav(wav)
    frames = len(wav) // HOP
    if not frames:
        raise AudioError(f"Units need at least {HOP} samples: give a longer recording.")
    wav = (wav - wav.mean()) / np.sqrt(wav.var() + 1e-7)
    wav = np.pad(wav[: frames * HOP], (WINDOW - HOP) // 2)  # so that the number of frames is exact
    parts = []
    for start in range(0, frames * HOP, BLOCK):
        first, last = max(0, start - CONTEXT), min(frames * HOP, start + BLOCK + CONTEXT)
        samples = torch.from_numpy(wav[first : last + WINDOW - HOP].astype(np.float32))[None]
        with torch.inference_mode():
            hidden = hubert.model(samples, output_hidden_states=True).hidden_states[layer or -1][0]
        parts.append(hidden[(start - first) // HOP :][: BLOCK // HOP].float().numpy())
    return np.concatenate(parts)


@dataclass(frozen=True)
class Arguments:
    """Cluster the features of a HuBERT or ContentVec model."""

    folder: Positional[Path]
    """Folder of the model: config.json and model.safetensors."""
    store: Positional[Path]
    """Vocoder store that `preprocess.py vocoder` made; texts are not used."""
    layer: int = 9
    """Layer whose output is clustered, from 1; 0 is the last one."""
    units: int = 200
    """Number of units."""
    out: Path = Path("units.safetensors")
    """File to write."""
    seed: int = 0
    """Seed of the choice of utterances and of the clusters."""
    force: bool = False
    """Overwrite an existing file."""


def make_units(hubert: HubertModel, store: FeatureStore, config: UnitConfig, seed: int = 0) -> HubertUnits:
    """Fit centroids to the features of training utterances in random order, up to 200,000 frames.

    Raises:
        CorpusError: there are fewer frames than units. ConfigError: the model has no such layer.
    """
    from synthesizer.units.task import wav_of

    check_layer(hubert, config.layer)
    rng, rows, count = np.random.default_rng(seed), [], 0
    for index in rng.permutation(store.select(split="train")):
        if count >= ROWS:
            break
        wav = wav_of(store, int(index))
        if len(wav) >= HOP:
            rows.append(hubert_features(hubert, wav, config.layer))
            count += len(rows[-1])
    features = np.concatenate(rows) if rows else np.zeros((0, 1), np.float32)
    header = ModelHeader(STAGE, HubertUnits.kind, extra={DIGEST: hubert.digest})
    return HubertUnits(hubert, config, fit_centroids(features, config.units, seed), header)


@exit_on_speech_error
def main(argv: Sequence[str] | None = None) -> None:
    """Write the units that the command line asks for."""
    from synthesizer.units.task import open_speech

    name = "python -m synthesizer.units.hubert"
    arguments = tyro.cli(Arguments, prog=name, args=argv, description=__doc__, config=(tyro.conf.FlagCreatePairsOff,))
    if arguments.out.exists() and not arguments.force:
        raise StorageError(f"{arguments.out} exists already: give a different name, or --force to overwrite it.")
    config = UnitConfig(units=arguments.units, layer=arguments.layer)
    make_units(load_hubert(arguments.folder), open_speech(arguments.store), config, arguments.seed).save(arguments.out)
    print(f"{arguments.out}: {config.units} units")


if __name__ == "__main__":
    main()
