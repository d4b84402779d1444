"""Fetching models from a local server that speaks the protocol of the Hugging Face hub."""

import functools
import hashlib
import http.server
import json
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from modelfile import fetch as fetching
from modelfile.fetch import HASHES, REPOSITORIES, Repository, fetch, main
from modelfile.files import write_tensors
from modelfile.header import ModelHeader
from modelfile.locations import fetched_models, models_folder
from speech.errors import ConfigError, ModelFileError, StorageError

pytest.importorskip("huggingface_hub")

CONTENT = {name: bytes(range(256)) * 40 + name.encode() for name in ("encoder.pt", "vocoder.pt")}
REPOSITORY = Repository("someone/models", {name: len(content) for name, content in CONTENT.items()})


class Hub(http.server.BaseHTTPRequestHandler):
    """Serves `server.files`. The first `server.cuts` answers end after half of their bytes."""

    protocol_version = "HTTP/1.1"
    server: SimpleNamespace  # type: ignore[assignment]

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, body: bool) -> None:
        prefix = "/someone/models/resolve/main/"
        content = self.server.files.get(self.path.removeprefix(prefix)) if self.path.startswith(prefix) else None
        if content is None:
            self.send_response(404)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        first = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").split("-")[0])
        self.send_response(206 if first else 200)
        self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
        self.send_header("X-Repo-Commit", "0" * 40)
        self.send_header("Content-Length", str(len(content) - first))
        if first:
            self.send_header("Content-Range", f"bytes {first}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        if not body:
            return
        self.server.ranges.append(first)
        part = content[first:]
        if self.server.cuts:
            self.server.cuts -= 1
            part = part[: len(part) // 2]
            self.close_connection = True
        self.wfile.write(part)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    state: SimpleNamespace = server  # type: ignore[assignment]
    state.files, state.cuts, state.ranges = dict(CONTENT), 0, []
    state.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setattr("huggingface_hub.file_download.time.sleep", lambda seconds: None)
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 1024)
    yield state
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def conversion(monkeypatch: pytest.MonkeyPatch) -> None:
    """Writes model files that say what they were made of, without reading a checkpoint."""

    def convert_files(sources, folder, overwrite):
        outputs = {}
        for source in sources:
            data = source.read_bytes()
            if not data.startswith(bytes(range(256))):
                raise ModelFileError(f"{source.name} is not a PyTorch file.")
            extra = {"converted_from": source.name, "source_sha256": hashlib.sha256(data).hexdigest()}
            output = Path(folder) / f"{source.stem}.safetensors"
            write_tensors(output, {}, ModelHeader(source.stem, "toy", extra=extra).metadata())
            outputs[source.stem] = output
        return outputs

    monkeypatch.setattr(fetching, "convert_files", convert_files)


def test_models_are_downloaded_once(hub: SimpleNamespace, tmp_path: Path) -> None:
    outputs = fetch(REPOSITORY, tmp_path, hub.endpoint)
    assert {stage: path.name for stage, path in outputs.items()} == {
        "encoder": "encoder.safetensors",
        "vocoder": "vocoder.safetensors",
    }
    recorded = json.loads((tmp_path / HASHES).read_text())
    assert recorded == {name: hashlib.sha256(content).hexdigest() for name, content in CONTENT.items()}
    assert not (tmp_path / "downloads").exists()
    requests = len(hub.ranges)
    assert fetch(REPOSITORY, tmp_path, hub.endpoint) == outputs and len(hub.ranges) == requests


def test_nothing_is_downloaded_without_room_for_it(
    hub: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(total=10**9, free=30_000))
    with pytest.raises(StorageError, match="disk is full"):
        fetch(REPOSITORY, tmp_path / "models", hub.endpoint)
    assert not hub.ranges and not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_made_is_reported(hub: SimpleNamespace, tmp_path: Path) -> None:
    (tmp_path / "models").write_text("a file")
    with pytest.raises(StorageError, match="cannot be written"):
        fetch(REPOSITORY, tmp_path / "models", hub.endpoint)


def test_a_broken_connection_is_resumed(hub: SimpleNamespace, tmp_path: Path) -> None:
    hub.cuts = 2
    fetch(REPOSITORY, tmp_path, hub.endpoint)
    assert len(hub.ranges) == 4 and sum(first > 0 for first in hub.ranges) == 2


def test_an_interrupted_download_continues_in_the_next_run(hub: SimpleNamespace, tmp_path: Path) -> None:
    hub.cuts = 100
    with pytest.raises(ModelFileError, match="run the command again"):
        fetch(REPOSITORY, tmp_path, hub.endpoint)
    hub.cuts, hub.ranges[:] = 0, []
    fetch(REPOSITORY, tmp_path, hub.endpoint)
    assert hub.ranges[0] > 0 and hub.ranges[1] == 0  # of the second file nothing was there


def test_a_file_of_a_wrong_size_is_refused(hub: SimpleNamespace, tmp_path: Path) -> None:
    hub.files["vocoder.pt"] = b"<html>Sign in to the network</html>"
    with pytest.raises(ModelFileError, match=r"has 35 bytes instead of \d+, so it is a different file"):
        fetch(REPOSITORY, tmp_path, hub.endpoint)
    assert not list(tmp_path.glob("*.safetensors")) and not (tmp_path / HASHES).exists()


def test_what_cannot_be_converted_is_not_kept(hub: SimpleNamespace, tmp_path: Path) -> None:
    hub.files["vocoder.pt"] = b"x" * len(CONTENT["vocoder.pt"])
    with pytest.raises(ModelFileError, match="not a PyTorch file"):
        fetch(REPOSITORY, tmp_path, hub.endpoint)
    hub.files = dict(CONTENT)
    assert set(fetch(REPOSITORY, tmp_path, hub.endpoint)) == {"encoder", "vocoder"}


def test_a_later_download_must_be_the_first_file(hub: SimpleNamespace, tmp_path: Path) -> None:
    fetch(REPOSITORY, tmp_path, hub.endpoint)
    (tmp_path / "vocoder.safetensors").unlink()
    good, hub.files["vocoder.pt"] = hub.files["vocoder.pt"], CONTENT["vocoder.pt"][:-1] + b"!"
    with pytest.raises(ModelFileError, match="not the file that was fetched first"):
        fetch(REPOSITORY, tmp_path, hub.endpoint)
    hub.files["vocoder.pt"] = good
    assert set(fetch(REPOSITORY, tmp_path, hub.endpoint)) == {"encoder", "vocoder"}


def test_without_a_connection_the_manual_way_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError) as error:
        fetch(REPOSITORY, tmp_path, "http://127.0.0.1:9")
    message = str(error.value)
    assert "https://huggingface.co/someone/models" in message and "python -m modelfile.convert" in message
    assert "\n" not in message


def test_a_missing_file_is_an_error(hub: SimpleNamespace, tmp_path: Path) -> None:
    del hub.files["encoder.pt"]
    with pytest.raises(ModelFileError, match=r"encoder\.pt cannot be fetched"):
        fetch(REPOSITORY, tmp_path, hub.endpoint)


def test_the_package_of_the_hub_is_optional(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ConfigError, match=r"requirements-fetch\.txt"):
        fetch(REPOSITORY, tmp_path)


def test_damaged_hashes_are_named(tmp_path: Path) -> None:
    (tmp_path / HASHES).write_text("{")
    with pytest.raises(ModelFileError, match="damaged"):
        fetch(REPOSITORY, tmp_path)


def test_fetched_models_are_chosen_by_name(
    hub: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    for name in ("XDG_DATA_HOME", "LOCALAPPDATA", "HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert models_folder("rtvc") == Path("rtvc")
    monkeypatch.setitem(REPOSITORIES, "rtvc", REPOSITORY)
    monkeypatch.setattr(fetching, "fetch", functools.partial(fetch, endpoint=hub.endpoint))
    main(["rtvc"])
    assert "--models rtvc" in capsys.readouterr().out
    assert models_folder("rtvc") == fetched_models("rtvc") and (fetched_models("rtvc") / HASHES).is_file()
    assert models_folder("some/rtvc") == Path("some/rtvc")
    (tmp_path / "rtvc").mkdir()
    assert models_folder("rtvc") == Path("rtvc")  # a folder that is there comes first
