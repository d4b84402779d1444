"""Show how texts are read: `python -m synthesizer.text texts.txt`, or `-` for standard input."""

import argparse
import random
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from speech.errors import TextError
from synthesizer.text.front_end import text_to_transcript
from synthesizer.text.homographs import HOMOGRAPHS
from synthesizer.text.sentences import split_sentences
from synthesizer.text.transcript import Token


def reading(text: str) -> str:
    """The normalized sentences of a text, with the phonemes of homographs and of the letter A."""
    try:
        return " | ".join(
            "".join(map(_shown, text_to_transcript(sentence).tokens)) for sentence in split_sentences(text)
        )
    except TextError as error:
        return f"error: {error}"


def _shown(token: Token) -> str:
    ambiguous = token.spelling in HOMOGRAPHS or (token.spelling == "a" and token.phonemes == ("EY1",))
    return f"{token.spelling} [{' '.join(token.phonemes)}]" if ambiguous and token.phonemes else token.spelling


def _lines(source: str) -> Iterable[str]:
    text = sys.stdin.read() if source == "-" else Path(source).read_text(encoding="utf-8")
    return (line for line in text.splitlines() if line.strip())


def _report(lines: Iterable[str]) -> Iterator[str]:
    for number, line in enumerate(lines, 1):
        yield f"{number:4}  {line}\n      {reading(line)}"


def main() -> int:
    """Print each line and its reading."""
    parser = argparse.ArgumentParser(prog="python -m synthesizer.text", description="Show how texts are read.")
    parser.add_argument("file", help="UTF-8 file with a text per line, or - for standard input")
    parser.add_argument("--sample", type=int, help="Show this many random lines only.")
    parser.add_argument("--seed", type=int, default=0, help="Seed of the sample (default: %(default)s)")
    arguments = parser.parse_args()
    try:
        lines = list(_lines(arguments.file))
    except (OSError, UnicodeDecodeError) as error:
        parser.error(f"{arguments.file} cannot be read: {error}")
    if arguments.sample is not None:
        lines = random.Random(arguments.seed).sample(lines, min(max(arguments.sample, 0), len(lines)))
    for entry in _report(lines):
        print(entry)
    return 0


if __name__ == "__main__":
    sys.exit(main())
