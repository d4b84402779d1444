"""Folders of models and sample recordings. The defaults are beside the packages, in a checkout and when installed."""

from pathlib import Path

from modelfile.user_folders import user_data_folder

ROOT = Path(__file__).resolve().parents[1]
DEFAULT_MODELS = ROOT / "models" / "default"
SAMPLES = ROOT / "samples"


def fetched_models(name: str = "") -> Path:
    """Where `python -m modelfile.fetch NAME` writes its models; the folder of all such folders without a name."""
    return user_data_folder() / "models" / name


def models_folder(choice: str | Path) -> Path:
    """The folder that a user chose: a path, or the name of fetched models if there is no such folder."""
    folder = Path(choice)
    fetched = fetched_models(folder.name)
    return fetched if str(folder) == folder.name and not folder.exists() and fetched.is_dir() else folder
