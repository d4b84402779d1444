"""Take the README's pictures of the toolbox: opens it on a made-up screen, uses it as a person would, photographs it.

    python docs/take_pictures.py [--out docs/pictures] [--size 1366x768]

Needs Xvfb, xdotool and ImageMagick (apt-get install xvfb xdotool imagemagick).
"""

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
PATIENCE = 180.0  # seconds for anything to happen
SENTENCES = (
    "One more line to compare.",
    "Good morning, and thank you for listening to a voice that never said this.",
)
PAGES = ("first", "speak", "keep", "voices", "datasets", "map", "models", "settings", "log")
COLOURS = "96"  # of a picture: less than half the bytes, and no difference to be seen


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=REPOSITORY / "docs" / "pictures")
    parser.add_argument("--size", default="1366x768", help="of the screen, in pixels")
    parser.add_argument("--themes", nargs="+", default=["light", "dark"])
    parser.add_argument("--pages", nargs="*", default=["speak"], choices=PAGES)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    for theme in arguments.themes:
        with tempfile.TemporaryDirectory() as data, screen(arguments.size) as display:
            visit(display, arguments.size, theme, Path(data), arguments.out, arguments.pages)
    return 0


@contextlib.contextmanager
def screen(size: str) -> Iterator[dict[str, str]]:
    """An X server without a monitor: the environment for programs that are to use it."""
    reading, writing = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(writing), "-screen", "0", f"{size}x24", "-nolisten", "tcp"],
        pass_fds=[writing], stderr=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(writing)
    try:
        with open(reading) as told:
            number = told.readline().strip()
        yield {**os.environ, "DISPLAY": f":{number}", "QT_QPA_PLATFORM": "xcb"}
    finally:
        server.terminate()
        server.wait()


def visit(display: dict[str, str], size: str, theme: str, data: Path, out: Path, pages: list[str]) -> None:
    """Open the window, say two sentences, keep the voice, look at every page."""
    samples = REPOSITORY / "samples"
    command = [sys.executable, "-m", "toolbox", str(samples), "--data", str(data), "--theme", theme, "--seed", "7",
               "--watch", "--cpu"]  # fmt: skip

    def take(page: str) -> None:
        if page in pages:
            shoot(display, out / f"{page}-{theme}.png")

    started = time.perf_counter()
    toolbox = subprocess.Popen(command, cwd=REPOSITORY, env=display)
    try:
        window = first_line(display, "search", "--sync", "--onlyvisible", "--name", "Voice cloning")
        print(f"{theme}: a window after {time.perf_counter() - started:.1f} s")
        width, height = size.split("x")
        xdotool(display, "windowmove", window, "0", "0", "windowsize", "--sync", window, width, height)
        xdotool(display, "windowfocus", window)
        time.sleep(2)
        take("first")
        for number, sentence in enumerate(SENTENCES, start=1):
            xdotool(display, "mousemove", "200", "480", "click", "1", "key", "ctrl+a", "type", "--delay", "8", sentence)
            xdotool(display, "key", "ctrl+Return")
            wait_for(lambda number=number: len(list((data / "results").glob("2*"))) == number, toolbox)
        xdotool(display, "key", "ctrl+w")  # the note that there is no sound card
        time.sleep(3)
        take("speak")
        xdotool(display, "key", "ctrl+k")
        time.sleep(2)
        dialog = first_line(display, "search", "--sync", "--onlyvisible", "--name", "Keep this voice")
        xdotool(display, "windowfocus", dialog, "type", "ann")
        xdotool(display, "key", "Tab", "type", "Ann, by letter, 3 May")
        time.sleep(1)
        take("keep")
        xdotool(display, "key", "Tab", "Tab", "space")
        wait_for((data / "voices" / "ann.safetensors").exists, toolbox)
        xdotool(display, "windowfocus", window)
        for number, page in enumerate(PAGES[3:], start=2):
            xdotool(display, "key", f"ctrl+{number}")
            time.sleep(3)
            take(page)
        xdotool(display, "key", "ctrl+q")
        toolbox.wait(30)
    finally:
        if toolbox.poll() is None:
            toolbox.kill()
            toolbox.wait()


def xdotool(display: dict[str, str], *words: str) -> None:
    subprocess.run(["xdotool", *words], env=display, check=True)
    time.sleep(0.3)


def first_line(display: dict[str, str], *words: str) -> str:
    told = subprocess.run(
        ["xdotool", *words], env=display, check=True, capture_output=True, text=True, timeout=PATIENCE
    ).stdout
    return told.splitlines()[0]


def wait_for(happened: object, toolbox: subprocess.Popen) -> None:
    ends = time.monotonic() + PATIENCE
    while not happened():  # type: ignore[operator]
        if time.monotonic() > ends or toolbox.poll() is not None:
            raise SystemExit("the toolbox did not do what it was asked for")
        time.sleep(0.2)


def shoot(display: dict[str, str], path: Path) -> None:
    subprocess.run(
        ["import", "-window", "root", "+dither", "-colors", COLOURS, f"PNG8:{path}"], env=display, check=True
    )
    print(f"{path}: {path.stat().st_size // 1000} kB")


if __name__ == "__main__":
    sys.exit(main())
