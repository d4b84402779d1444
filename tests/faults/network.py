"""Give addresses of a local server wherever a file is taken: `python -m tests.faults.network --count 60`.

The server must never be contacted, and no other connection be tried. Addresses are the names of clips, models, voices,
texts and corpora, and the contents of playlists, manifests and tables; the environment names the server as proxy.
"""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.faults.harness import Findings, cases, fresh, main, run_case, silent_server

SCHEMES = ("http://{}/a", "https://{}/a", "ftp://{}/a", "rtp://{}", "tcp://{}", "concat:http://{}/a|b", "hf://{}/a",
           "//{}/share/a", "file://{}/a", "s3://{}/a", "subfile,,start,0,end,9,,:http://{}/a", "pipe:0")  # fmt: skip


def read_clip(name: str) -> None:
    from speech.audio import read_audio

    read_audio(name)


def read_model(name: str) -> None:
    from modelfile.header import read_header

    read_header(name)


def read_voice(name: str) -> None:
    from cloning.voices import Voice

    Voice.load(name)


def read_lines(name: str) -> None:
    from cloning.targets import read_text_lines

    read_text_lines(Path(name))


def read_lexicon(name: str) -> None:
    from synthesizer.text.lexicon import read_lexicon as read

    read(Path(name))


def find_models(name: str) -> None:
    from cloning.models import ModelFiles

    ModelFiles.find(name, encoder=name, synthesizer=name, vocoder=name)


def list_corpus(name: str) -> None:
    from corpora.corpus import iter_utterances

    for utterance in iter_utterances([name]):
        read_clip(str(utterance.path))


BY_NAME = (read_clip, read_model, read_voice, read_lines, read_lexicon, find_models, list_corpus)


def playlist(address: str) -> None:
    for suffix in (".mp3", ".wav", ".m3u8", ".sdp"):
        path = Path(f"list{suffix}")
        path.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{address}\n#EXT-X-ENDLIST\n")
    list_corpus(".")


def table(address: str) -> None:
    folder = Path("corpus/wavs")
    folder.mkdir(parents=True)
    Path("corpus/metadata.csv").write_text(f"{address}|a text|a text\n../../{address}|two|two\n", encoding="utf-8")
    list_corpus("corpus")


def cuts(address: str) -> None:
    """A lhotse manifest with a source of each type."""
    Path("cuts").mkdir()
    lines = []
    for number, kind in enumerate(("url", "command", "file", "memory", "shar")):
        source = f"touch {Path.cwd().parent}/executed" if kind == "command" else address
        recording = {"id": f"r{number}", "sources": [{"type": kind, "channels": [0], "source": source}],
                     "sampling_rate": 16_000, "num_samples": 16_000, "duration": 1.0}  # fmt: skip
        spoken = {"id": f"s{number}", "recording_id": f"r{number}", "start": 0, "duration": 1.0, "speaker": "ann"}
        cut = {"id": f"c{number}", "start": 0, "duration": 1.0, "channel": 0, "type": "MonoCut"}
        lines.append(json.dumps({**cut, "supervisions": [spoken], "recording": recording}))
    Path("cuts/cuts.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    list_corpus("cuts")


BY_CONTENT = (playlist, table, cuts)


def check(count: int, seed: int, folder: Path) -> Findings:
    import lhotse  # noqa: F401 - tries to bind a port of this machine when it is imported

    findings = Findings("addresses of a server in place of files")
    tried: list[tuple[Callable[[str], Any], str]] = [
        *[(function, scheme) for scheme in SCHEMES for function in BY_NAME],
        *[(function, scheme) for scheme in SCHEMES for function in BY_CONTENT],
    ]
    tried = tried if count >= len(tried) else tried[:: -(-len(tried) // count)]
    before = dict(os.environ)
    with silent_server() as (server, contacts):
        proxies = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy"), server)
        os.environ.update({**proxies, "HF_ENDPOINT": f"http://{server}"})
        try:
            for number in cases(len(tried)):
                function, scheme = tried[number]
                here = fresh(folder, "case")
                known = contacts()
                outcome = run_case(functools.partial(function, scheme.format(server)), here)
                faults = [f"{fault} ({function.__name__}, {scheme})" for fault in outcome.faults]
                if contacts() != known or (folder / "executed").exists():
                    faults.append(f"contacted or executed: {function.__name__}, {scheme}")
                findings.add(outcome.result, *faults)
        finally:
            os.environ.clear()
            os.environ.update(before)
    return findings


if __name__ == "__main__":
    main(check, 200, __doc__)
