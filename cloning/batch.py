"""Many texts spoken into numbered files, with a manifest from which an interrupted batch continues."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cloning.journal import Journal, read_journal
from cloning.provenance import toolkit_version
from speech.errors import StorageError

if TYPE_CHECKING:
    from cloning.models import ModelFiles
    from cloning.narration import Narrator
    from cloning.options import SpeechOptions
    from cloning.voices import Voice

MANIFEST = "manifest.json"
JOURNAL = ".manifest-journal"  # beside it while a batch runs, or after it was killed

Job = tuple[str, Path | None]


@dataclass
class Manifest:
    """The content of manifest.json.

    Attributes:
        settings: everything that determines the samples besides the text: version, models, voice and options.
        outputs: one entry for each finished file, with at least its "file" and "text".
        unfinished: name of the file that was being generated.
    """

    settings: Mapping[str, Any]
    outputs: list[dict[str, Any]] = field(default_factory=list)
    unfinished: str = ""

    @classmethod
    def read(cls, path: Path) -> Manifest | None:
        """The manifest of an earlier batch and its journal; None if there is none or it is not one of this program."""
        if not path.is_file():  # a pipe would wait for ever
            return None
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            outputs = [dict(entry) for entry in content.pop("outputs")]
            unfinished = str(content.pop("unfinished", ""))
            manifest = cls(content, outputs, unfinished)
        except (OSError, ValueError, TypeError, AttributeError, KeyError, RecursionError):
            return None
        return manifest._with(read_journal(path.with_name(JOURNAL), manifest.digest()))

    def digest(self) -> str:
        """Identifies the settings, in the journal."""
        return _digest(json.dumps(self.settings, sort_keys=True).encode())

    def _with(self, events: Iterator[dict[str, Any]]) -> Manifest:
        """This manifest after the events of its journal."""
        outputs, unfinished = dict(self._by_file), self.unfinished
        for event in events:
            entry = event.get("output")
            if isinstance(entry, dict):
                outputs[str(entry.get("file"))] = entry
                unfinished = ""
            else:
                unfinished = str(event.get("unfinished", ""))
        return replace(self, outputs=[*outputs.values()], unfinished=unfinished)

    def write(self, path: Path) -> None:
        """Write the file atomically. Raises: StorageError."""
        from modelfile.files import write_text

        content = {**self.settings, "unfinished": self.unfinished, "outputs": self.outputs}
        write_text(path, json.dumps(content, ensure_ascii=False, indent=2) + "\n")

    def entry(self, text: str, path: Path) -> dict[str, Any] | None:
        """The entry of a finished file that still exists and has this text."""
        entry = self._by_file.get(path.name)
        return entry if entry is not None and entry.get("text") == text and path.is_file() else None

    def may_replace(self, text: str, path: Path) -> bool:
        """Whether the earlier batch wrote this file for the same text, or did not finish it."""
        return path.name == self.unfinished or self.entry(text, path) is not None

    @cached_property
    def _by_file(self) -> dict[str, dict[str, Any]]:
        """The entries of the manifest as it was read, by file."""
        return {str(entry.get("file")): entry for entry in self.outputs}


def settings_of(voice: Voice, options: SpeechOptions, files: ModelFiles | None) -> dict[str, Any]:
    """What determines the samples besides the text, as JSON values."""
    lexicon = None if options.lexicon is None else _digest(repr(options.lexicon).encode())
    return {
        "version": toolkit_version(),
        "models": {} if files is None else files.digests(),
        "voice": voice.name,
        "voice_digest": _voice_digest(voice),
        "references": list(voice.sources),
        "seed": options.seed,
        "speed": options.speed,
        "pauses": options.pauses,
        "pitch_range": options.pitch_range,
        "loudness": options.loudness,
        "lexicon_digest": lexicon,
    } | ({"watermark": True} if options.watermark else {})


def _voice_digest(voice: Voice) -> str:
    """Identifies what a synthesizer takes of a voice."""
    reference = b"" if voice.reference is None else voice.reference.coded.tobytes()
    adapter = {} if voice.adapter is None else voice.adapter.tensors
    changes = (adapter[name].tobytes() for name in sorted(adapter))
    return _digest(voice.embedding.tobytes(), str(voice.pitch).encode(), reference, *changes)


def speak_batch(narrator: Narrator, jobs: Sequence[Job], files: ModelFiles | None, overwrite: bool) -> None:
    """Speak the texts with one seed. Each file is recorded in a journal, and all in the manifest at the end.

    A file of an earlier batch is kept if text, voice, options, models and version are the same. If no seed is given,
    that of an earlier batch in the same folder is used.

    Args:
        jobs: text and file of each; the files are in one folder, or all None for audio that is only played.
        overwrite: replace files that were made with other settings.

    Raises:
        StorageError: the folder holds files of a batch with other settings, another batch writes to it, or a file
            cannot be written.
    """
    first = jobs[0][1]
    if first is None:
        narrator.options = narrator.options.seeded()
        for text, _ in jobs:
            narrator.speak(text, None)
        return
    folder = first.parent
    new_folder = not folder.exists()
    try:
        with Journal(folder / JOURNAL) as journal:
            _speak_files(narrator, jobs, files, overwrite, journal, new_folder)
    finally:
        if new_folder:
            with contextlib.suppress(OSError):  # it holds finished files
                folder.rmdir()


def _speak_files(
    narrator: Narrator,
    jobs: Sequence[Job],
    files: ModelFiles | None,
    overwrite: bool,
    journal: Journal,
    new_folder: bool,
) -> None:
    """The batch, in a locked folder. A new folder is left empty if no file was finished."""
    manifest_path = journal.path.with_name(MANIFEST)
    earlier = Manifest.read(manifest_path)
    ours = set() if earlier is None else {path.name for _, path in jobs if path is not None}
    _remove_temporaries(journal.path.parent, {MANIFEST, *ours})
    if earlier is not None and narrator.options.seed is None and not overwrite:
        narrator.options = _with_seed_of(narrator.options, earlier)
    narrator.options = narrator.options.seeded()
    manifest = Manifest(settings_of(narrator.voice, narrator.options, files))
    if earlier is not None and earlier.settings != manifest.settings:
        if not overwrite:
            differences = _differences(earlier.settings, manifest.settings)
            raise StorageError(
                f"The files in {journal.path.parent} were made with other {differences}: "
                "choose another folder, or give --force to overwrite them."
            )
        earlier = None
    entries = {} if earlier is None else _kept_entries(earlier, jobs)
    kept = len(entries)
    manifest.unfinished = "" if earlier is None else earlier.unfinished  # it may be there, and must stay known

    def write() -> None:
        manifest.outputs = [entries[path.name] for _, path in jobs if path is not None and path.name in entries]
        manifest.write(manifest_path)

    write()
    journal.start(manifest.digest())
    try:
        ordered = sorted(jobs, key=lambda job: job[1] is None or job[1].name != manifest.unfinished)
        narrator.prepare([text for text, path in ordered if path is not None and path.name not in entries])
        for text, path in ordered:
            assert path is not None
            if path.name in entries:
                continue
            manifest.unfinished = path.name
            journal.append({"unfinished": path.name})
            replace_file = overwrite or (earlier is not None and earlier.may_replace(text, path))
            entries[path.name] = narrator.speak(text, path, replace_file)
            journal.append({"output": entries[path.name]})
        manifest.unfinished = ""
    except BaseException:
        with contextlib.suppress(StorageError):  # the journal is left
            write()
            journal.remove()
            if new_folder and not entries:
                manifest_path.unlink()
        raise
    write()
    journal.remove()
    if kept:
        print(f"{kept} of {len(jobs)} files were finished before and are kept")


def _remove_temporaries(folder: Path, names: set[str]) -> None:
    """Remove the temporary files that a batch has left which was killed while it wrote one of these files."""
    from modelfile.files import remove_temporaries

    remove_temporaries(folder, names)


def _kept_entries(earlier: Manifest, jobs: Sequence[Job]) -> dict[str, dict[str, Any]]:
    """The entries of finished files, by file. They are in every manifest that is written, so that a kill loses none."""
    found = ((path, earlier.entry(text, path)) for text, path in jobs if path is not None)
    return {path.name: entry for path, entry in found if entry is not None}


def _with_seed_of(options: SpeechOptions, earlier: Manifest) -> SpeechOptions:
    seed = earlier.settings.get("seed")
    return replace(options, seed=seed) if isinstance(seed, int) else options


def _differences(earlier: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Names of the settings that differ, for a sentence."""
    names = [name for name in {**now, **earlier} if earlier.get(name) != now.get(name)]
    readable = {"voice_digest": "voice", "lexicon_digest": "lexicon", "pitch_range": "pitch range"}
    return ", ".join(dict.fromkeys(readable.get(name, name) for name in names))


def _digest(*parts: bytes) -> str:
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]
