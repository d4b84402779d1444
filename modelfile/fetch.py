"""Download public models from Hugging Face and convert them: `python -m modelfile.fetch rtvc`.

The converted models are then `--models rtvc`. An interrupted download continues where it stopped. The SHA-256 of each
file is recorded at the first download, and a later download must be the same.
"""

import argparse
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modelfile.convert import convert_files, describe
from modelfile.files import write_json
from modelfile.header import read_header
from modelfile.locations import fetched_models
from speech.errors import ConfigError, ModelFileError, exit_on_speech_error
from speech.files import check_free_space, storage_error

HASHES = "hashes.json"


@dataclass(frozen=True)
class Repository:
    """Files of a repository on Hugging Face: name -> bytes."""

    name: str
    files: Mapping[str, int]

    @property
    def page(self) -> str:
        return f"https://huggingface.co/{self.name}"


REPOSITORIES = {
    "rtvc": Repository(
        "CorentinJ/SV2TTS", {"encoder.pt": 17_090_379, "synthesizer.pt": 370_554_559, "vocoder.pt": 53_845_290}
    )
}


def fetch(repository: Repository, folder: Path, endpoint: str | None = None) -> dict[str, Path]:
    """Download the files of a repository and write them as the models of a folder.

    Args:
        endpoint: address of the server; by default huggingface.co, or the environment variable HF_ENDPOINT.

    Returns:
        The model files by stage. Models that were fetched before are not fetched again.

    Raises:
        ModelFileError: no connection, a file is not the expected one, or it cannot be converted.
        ConfigError: the package huggingface_hub is missing.
        StorageError: the folder cannot be written, or its disk has too little space.
    """
    hashes = _read_hashes(folder / HASHES)
    if found := _fetched_before(repository, folder, hashes):
        return found
    downloads = folder / "downloads"
    missing = sum(size for name, size in repository.files.items() if not (downloads / name).is_file())
    check_free_space(downloads / "models", missing + sum(repository.files.values()))  # and the converted models
    try:
        downloads.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise storage_error(downloads, error) from error
    sources = [_download(repository, name, downloads, endpoint) for name in repository.files]
    digests = {source.name: _digest(source) for source in sources}
    for name, digest in digests.items():
        if hashes.get(name, digest) != digest:
            (downloads / name).unlink()
            raise ModelFileError(
                f"{name} of {repository.page} is not the file that was fetched first: find out why, and delete "
                f"{folder / HASHES} to accept it."
            )
    try:
        outputs = convert_files(sources, folder, overwrite=True)
    except ModelFileError:
        for source in sources:
            source.unlink()
        raise
    write_json(folder / HASHES, hashes | digests)
    for source in sources:
        source.unlink()
    downloads.rmdir()
    return outputs


def _fetched_before(repository: Repository, folder: Path, hashes: Mapping[str, str]) -> dict[str, Path]:
    """The models in the folder by stage, if they are all there and were made of the recorded files."""
    found = {}
    for path in sorted(folder.glob("*.safetensors")):
        header = read_header(path)
        name = header.extra.get("converted_from", "")
        if name in repository.files and hashes.get(name) == header.extra.get("source_sha256"):
            found[header.stage] = path
    return found if len(found) == len(repository.files) else {}


def _download(repository: Repository, name: str, folder: Path, endpoint: str | None) -> Path:
    """One file, with a progress bar. A part of it from an earlier attempt is continued."""
    try:
        from huggingface_hub import get_hf_file_metadata, hf_hub_url
        from huggingface_hub.file_download import http_get
    except ImportError as error:
        raise ConfigError(
            "Fetching models needs the package huggingface_hub: run pip install -r requirements-fetch.txt."
        ) from error
    output, size = folder / name, repository.files[name]
    if output.is_file() and output.stat().st_size == size:
        return output
    by_hand = (
        f"download {', '.join(repository.files)} from {repository.page} in a browser, and convert them with "
        "python -m modelfile.convert FILES --out DIR"
    )
    url = hf_hub_url(repository.name, name, endpoint=endpoint)
    try:
        metadata = get_hf_file_metadata(url, endpoint=endpoint)
        if metadata.size is not None and metadata.size != size:
            raise ModelFileError(
                f"{name} at {repository.page} has {metadata.size} bytes instead of {size}, so it is a different file: "
                f"look at the page, or {by_hand}."
            )
        identity = hashlib.sha256((metadata.etag or "").encode()).hexdigest()[:16]
        part = folder / f"{name}.{identity}.part"  # of this version of the file only
        with part.open("ab") as file:
            done = file.tell()
            if done < size:
                http_get(metadata.location, file, resume_size=done, expected_size=size)
    except (OSError, *_http_errors()) as error:
        raise ModelFileError(
            f"{name} cannot be fetched from {repository.page} ({_reason(error)}): run the command again, which "
            f"continues the download, or {by_hand}."
        ) from error
    if part.stat().st_size != size:
        part.unlink()
        raise ModelFileError(f"The download of {name} is damaged: run the command again.")
    return part.rename(output)


def _http_errors() -> Any:
    """What the hub's client raises without a connection: its kind of error differs between versions of the hub."""
    from huggingface_hub.errors import HfHubHTTPError

    return HfHubHTTPError.__bases__


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:200].rstrip(".") or type(error).__name__


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read_hashes(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    try:
        hashes = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelFileError(f"{path} is damaged: delete it to fetch the models anew.") from error
    return {str(name): str(digest) for name, digest in hashes.items()} if isinstance(hashes, dict) else {}


@exit_on_speech_error
def main(arguments: list[str] | None = None) -> None:
    """Download public models from Hugging Face and convert them."""
    parser = argparse.ArgumentParser(prog="python -m modelfile.fetch", description=main.__doc__)
    parser.add_argument("name", choices=REPOSITORIES, help="rtvc: the models of Real-Time-Voice-Cloning, 442 MB")
    parser.add_argument("--out", type=Path, metavar="DIR", help="models folder (default: where --models NAME looks)")
    args = parser.parse_args(arguments)
    folder = args.out or fetched_models(args.name)
    for stage, output in fetch(REPOSITORIES[args.name], folder).items():
        print(describe(stage, output))
    print(f"Use them with --models {args.out or args.name}")


if __name__ == "__main__":
    main()
