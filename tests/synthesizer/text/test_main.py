"""`python -m synthesizer.text`: the reading of each line."""

import sys

import pytest

from synthesizer.text.__main__ import main, reading


def run(monkeypatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["text", *arguments])
    return main()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Dr. Lee left. He was late.", "doctor lee left. | he was late."),
        ("Team A won.", "team a [EY1] won."),
        ("Please close it.", "please close [K L OW1 Z] it."),
        ("?!", "error: The text '?!' has nothing that can be spoken; write at least one word or number."),
    ],
)
def test_reading(text, expected):
    assert reading(text) == expected


def test_a_sample_is_reproducible(tmp_path, monkeypatch, capsys):
    path = tmp_path / "texts.txt"
    path.write_text("\n".join(f"{number} apples" for number in range(2, 20)), encoding="utf-8")
    outputs = []
    for seed in ("1", "1", "2"):
        assert run(monkeypatch, str(path), "--sample", "5", "--seed", seed) == 0
        outputs.append(capsys.readouterr().out)
    assert outputs[0] == outputs[1] != outputs[2]
    assert len(outputs[0].splitlines()) == 10


def test_an_unreadable_file_is_refused(tmp_path, monkeypatch, capsys):
    with pytest.raises(SystemExit) as raised:
        run(monkeypatch, str(tmp_path / "missing.txt"))
    assert raised.value.code == 2 and "missing.txt" in capsys.readouterr().err
