"""Read texts over all of Unicode: `python -m tests.faults.texts --count 3000`.

Each text is normalised and transcribed to phonemes as before it is spoken.
"""

from __future__ import annotations

import functools
import random
import sys
from pathlib import Path

from tests.faults.harness import Findings, cases, fresh, main, run_case

MARKED = ("3.5", "$1,200", "1/2", "Dr.", "{HH AH0}", "U.S.A.", "12:30", "1990s", "-7", "http://a.b/c?d=e", "x²", "10°C")
WORDS = ("the", "bass", "naïve", "C++", "#tag", "read", "St.", "I", "IV", "pH", *MARKED)
PARTS = "{}[]()<>&%$£€#@*_~^|\\/\"'`.,;:!?-–—…\u200b\u200d\ufeff\u0301\u202e\x00\x1b\t "
BLOCKS = ((0x20, 0x7F), (0xA0, 0x250), (0x300, 0x370), (0x370, 0x600), (0x2000, 0x2C00), (0x3000, 0xA000),
          (0x1D400, 0x1D800), (0x1F000, 0x1FB00), (0xE0000, 0xE01F0))  # fmt: skip


def random_text(rng: random.Random) -> str:
    """Words, numbers, marks and code points; some texts repeat one part very often."""
    parts = []
    for _ in range(rng.choice((1, 3, 10, 60))):
        kind = rng.randrange(5)
        if kind == 0:
            parts.append(rng.choice(WORDS))
        elif kind == 1:
            parts.append(rng.choice(PARTS) * rng.choice((1, 1, 2, 9)))
        elif kind == 2:
            parts.append(chr(rng.randrange(sys.maxunicode + 1)))
        elif kind == 3:
            first, last = rng.choice(BLOCKS)
            parts.append("".join(chr(rng.randrange(first, last)) for _ in range(rng.randint(1, 8))))
        else:
            parts.append(str(rng.randrange(10 ** rng.randint(1, 40))))
    text = "".join(part + rng.choice(("", " ")) for part in parts)
    return text * rng.choice((1, 1, 1, 1, 1, 1, 1, 200)) if len(text) < 50 else text


def speak(text: str) -> None:
    """All that is done with a text before the models: check, transcribe, split. Raises: TextError."""
    from cloning.narration import speakable
    from synthesizer.text.front_end import text_to_transcript

    transcript = text_to_transcript(speakable(text, "The text"))
    str(transcript).encode("utf-8", "backslashreplace")


def check(count: int, seed: int, folder: Path) -> Findings:
    findings, rng = Findings("texts over all of Unicode"), random.Random(seed)
    here = fresh(folder, "case")
    speak("It loads the dictionaries.")
    for number in cases(count):
        text = random_text(rng)
        outcome = run_case(functools.partial(speak, text), here)
        findings.add(outcome.result, *[f"{fault} (text {number}: {ascii(text)[:200]})" for fault in outcome.faults])
    return findings


if __name__ == "__main__":
    main(check, 3000, __doc__)
