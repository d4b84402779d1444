"""Take screenshots of the toolbox: open it on a virtual screen, use it, save pictures of its pages.

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
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
TIMEOUT = 180.0  # seconds for each step
SENTENCES = (
    "One more line to compare.",
    "Good morning, and thank you for listening to a voice that never said this.",
)
PAGES = ("first", "speak", "options", "save", "convert", "voices", "datasets", "map", "models", "settings", "log")
COLOURS = "96"  # per picture: halves the file size without a visible difference


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=REPOSITORY / "docs" / "pictures", help="folder of the pictures")
    parser.add_argument("--size", default="1366x768", help="size of the screen in pixels")
    parser.add_argument("--themes", nargs="+", default=["light", "dark"], help="colours of the window")
    parser.add_argument("--pages", nargs="*", default=["speak"], choices=PAGES, help="pages to save")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    for theme in arguments.themes:
        with tempfile.TemporaryDirectory() as data, screen(arguments.size) as display:
            visit(display, arguments.size, theme, Path(data), arguments.out, arguments.pages)
    return 0


@contextlib.contextmanager
def screen(size: str) -> Iterator[dict[str, str]]:
    """A virtual X server; yields the environment for programs that use it."""
    reading, writing = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(writing), "-screen", "0", f"{size}x24", "-nolisten", "tcp"],
        pass_fds=[writing], stderr=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(writing)
    try:
        with open(reading) as output:
            number = output.readline().strip()
        yield {**os.environ, "DISPLAY": f":{number}", "QT_QPA_PLATFORM": "xcb"}
    finally:
        server.terminate()
        server.wait()


def visit(display: dict[str, str], size: str, theme: str, data: Path, out: Path, pages: list[str]) -> None:
    """Open the window, speak two sentences, save the voice, show every page."""
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
        print(f"{theme}: window after {time.perf_counter() - started:.1f} s")
        width, height = size.split("x")
        xdotool(display, "windowmove", window, "0", "0", "windowsize", "--sync", window, width, height)
        xdotool(display, "windowfocus", window)
        time.sleep(2)
        take("first")
        for number, sentence in enumerate(SENTENCES, start=1):
            xdotool(display, "mousemove", "200", "480", "click", "1", "key", "ctrl+a", "type", "--delay", "8", sentence)
            xdotool(display, "key", "ctrl+Return")
            wait_for(partial(has_results, data / "results", number), toolbox)
        xdotool(display, "key", "ctrl+w")  # dismisses the notice about missing audio devices
        time.sleep(3)
        take("speak")
        xdotool(display, "key", "alt+t")
        time.sleep(1)
        take("options")
        xdotool(display, "key", "alt+t", "ctrl+k")
        time.sleep(2)
        dialog = first_line(display, "search", "--sync", "--onlyvisible", "--name", "Save this voice")
        xdotool(display, "windowfocus", dialog, "type", "ann")
        xdotool(display, "key", "Tab", "type", "Ann, by letter, 3 May")
        time.sleep(1)
        take("save")
        xdotool(display, "key", "Tab", "Tab", "space")
        wait_for((data / "voices" / "ann.safetensors").exists, toolbox)
        xdotool(display, "windowfocus", window)
        for number, page in enumerate(PAGES[4:], start=2):
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
    output = subprocess.run(
        ["xdotool", *words], env=display, check=True, capture_output=True, text=True, timeout=TIMEOUT
    ).stdout
    return output.splitlines()[0]


def has_results(folder: Path, count: int) -> bool:
    return len(list(folder.glob("2*"))) == count


def wait_for(condition: Callable[[], bool], toolbox: subprocess.Popen) -> None:
    ends = time.monotonic() + TIMEOUT
    while not condition():
        if time.monotonic() > ends or toolbox.poll() is not None:
            raise SystemExit("The toolbox ended or did not react.")
        time.sleep(0.2)


def shoot(display: dict[str, str], path: Path) -> None:
    subprocess.run(
        ["import", "-window", "root", "+dither", "-colors", COLOURS, f"PNG8:{path}"], env=display, check=True
    )
    print(f"{path}: {path.stat().st_size // 1000} kB")


if __name__ == "__main__":
    sys.exit(main())
