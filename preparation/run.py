"""Fill a feature store: list the work, do it in worker processes, print a summary."""

from __future__ import annotations

import collections
import re
from typing import TYPE_CHECKING

from preparation.settings import Settings
from preparation.task import Task
from speech.errors import CorpusError

if TYPE_CHECKING:
    from corpora.store import FeatureWriter

SEGMENT = re.compile(r"(.*)#\d+of(\d+)", re.DOTALL)  # of the key of a part of an utterance
BATCH = 8  # utterances embedded together; a killed process loses at most one batch


def run(settings: Settings) -> None:
    """Create or continue the store of these settings, and print what it then holds.

    Raises:
        SpeechError: a setting, a corpus or the store cannot be used, or no clip is left to train on.
    """
    from corpora.store import FeatureStore, FeatureWriter
    from corpora.summary import describe_store, write_statistics

    info = settings.info()
    # Open until the end, so that a second run into the same store is refused.
    with FeatureWriter(settings.out, "main") as writer:
        writer.write_info(info)
        if settings.retry:
            writer.forget_rejected()
        tasks = _list_tasks(settings, writer)
        if tasks:
            _work_through(settings, tasks, _unfinished(writer.done))
        writer.merge_rejected()
        writer.compile_index()
    store = FeatureStore(settings.out)
    write_statistics(store)
    print(describe_store(store))
    if not len(store):
        raise CorpusError("Nothing is left to train on: see the reasons above.")


def _list_tasks(settings: Settings, writer: FeatureWriter) -> list[Task]:
    """Read the corpora, record what is left out, and return what is not in the store yet."""
    from corpora.corpus import iter_utterances

    number = len(settings.corpora)
    print("reading the corpus ..." if number == 1 else f"reading {number} corpora ...", flush=True)
    utterances = []
    for utterance in iter_utterances(settings.corpora, writer.reject, listing=settings.listing(), jobs=settings.jobs):
        if utterance.duration < settings.min_seconds:  # no need to open it
            writer.reject(utterance.key, f"too short ({utterance.duration:.1f} s)")
        else:
            utterances.append(utterance)
    if not utterances:
        raise CorpusError(f"No utterance of {settings.min_seconds:g} s or more was found: lower --min-seconds.")
    settings.check_labels(utterances)
    utterances = [utterance for utterance in utterances if settings.wanted(utterance)]  # a later run may want others
    splits = settings.splits(utterances)
    finished = _finished(writer.done)
    tasks = [Task(utterance, splits[utterance.key]) for utterance in utterances if utterance.key not in finished]
    hours = sum(utterance.duration for utterance in utterances) / 3600
    speakers = len({utterance.speaker for utterance in utterances})
    print(f"found {len(utterances)} utterances of {speakers} speakers, {hours:.2f} h; {len(tasks)} are to do")
    return tasks


def _finished(done: set[str]) -> set[str]:
    """Utterances that are done, as a whole or in all their segments."""
    segments: collections.Counter[tuple[str, str]] = collections.Counter()
    for key in done:
        match = SEGMENT.fullmatch(key)
        if match:
            segments[match[1], match[2]] += 1
    return done | {key for (key, number), count in segments.items() if count == int(number)}


def _unfinished(done: set[str]) -> set[str]:
    """Keys of segments of utterances that have not all their segments yet."""
    finished = _finished(done)
    return {key for key in done if (match := SEGMENT.fullmatch(key)) and match[1] not in finished}


def _work_through(settings: Settings, tasks: list[Task], known: set[str]) -> None:
    from tqdm import tqdm

    from corpora.cluster import fill_store_on_cluster
    from corpora.store_filling import fill_store

    batches = [tasks[start : start + BATCH] for start in range(0, len(tasks), BATCH)]
    total = sum(task.utterance.duration for task in tasks) / 60
    form = "{percentage:3.0f}%|{bar}| {n:.1f} of {total:.1f} min of audio [{elapsed}<{remaining}]"
    done = 0.0
    with tqdm(total=total, bar_format=form) as bar:
        if settings.scheduler:
            finished = fill_store_on_cluster(settings.scheduler, settings.out, batches, settings.clips, known)
        else:
            finished = fill_store(settings.out, batches, settings.clips, settings.jobs, known)
        for items in finished:
            done += sum(task.utterance.duration for task in items if isinstance(task, Task)) / 60
            bar.update(min(done, total) - bar.n)  # rounding may exceed the total
