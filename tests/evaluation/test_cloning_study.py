from pathlib import Path

from evaluation.cloning_study import subjects
from evaluation.report import Notes
from evaluation.sets import Reference


def chosen(counts: dict[str, int], clips: int):
    notes = Notes()
    references = [Reference(voice, Path(f"{voice}{k}.wav")) for voice, count in counts.items() for k in range(count)]
    return subjects(references, clips, notes), notes.all()


def test_voices_are_compared_with_other_clips_than_those_they_are_enrolled_from():
    found, _ = chosen({"ann": 9, "bob": 3}, clips=2)
    names = [([path.stem for path in item.enrolled_from], [path.stem for path in item.compared_with]) for item in found]
    assert names == [(["ann0", "ann1"], ["ann2", "ann3", "ann4", "ann5"]), (["bob0", "bob1"], ["bob2"])]


def test_voices_with_too_few_clips_are_noted():
    found, notes = chosen({"ann": 3, "bob": 2, "cid": 1}, clips=2)
    assert [item.voice for item in found] == ["ann", "bob"]
    assert found[1].compared_with == []
    assert any(note.endswith("further clip of the speaker: bob.") for note in notes)
    assert any(note.startswith("left out: cid") for note in notes)
