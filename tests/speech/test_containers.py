"""Containers are restricted to the file itself: no text named like a recording makes a network connection."""

import socketserver
import threading
from pathlib import Path

import pytest

from corpora.headers import UNREADABLE, read_headers
from speech.audio import read_audio
from speech.errors import AudioError

SUFFIXES = (".mp3", ".wav", ".m4a", ".sdp", ".m3u8")


class _Hangup(socketserver.BaseRequestHandler):
    """Notes that somebody has connected, and closes the connection."""

    def handle(self) -> None:
        self.server.visitors.append(self.client_address)  # type: ignore[attr-defined]


@pytest.fixture
def server():
    """A server on this machine; yields its port and a list that gets an entry with each connection."""
    with socketserver.TCPServer(("127.0.0.1", 0), _Hangup) as listening:
        listening.visitors = []  # type: ignore[attr-defined]
        thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        yield listening.server_address[1], listening.visitors  # type: ignore[attr-defined]
        listening.shutdown()
        thread.join()


def _texts(port: int) -> dict[str, str]:
    address = f"127.0.0.1:{port}"
    return {
        "hls": f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://{address}/clip.mp3\n#EXT-X-ENDLIST\n",
        "concat": f"ffconcat version 1.0\nfile 'http://{address}/clip.mp3'\n",
        "sdp": f"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio {port} RTP/AVP 0\n",
        "rtsp": f"[Reference]\nRef1=http://{address}/clip.mp3\n",
        "dash": f'<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
        f'mediaPresentationDuration="PT1S"><Period><AdaptationSet mimeType="audio/mp4"><Representation id="a" '
        f'bandwidth="1"><BaseURL>http://{address}/clip.mp4</BaseURL></Representation></AdaptationSet></Period></MPD>',
        "name": f"http://{address}/clip.mp3\n",
    }


def test_no_text_named_like_a_recording_makes_a_connection(tmp_path: Path, server):
    port, visitors = server
    paths = []
    for kind, text in _texts(port).items():
        for suffix in SUFFIXES:
            path = tmp_path / f"{kind}{suffix}"
            path.write_text(text)
            paths.append(path)
    assert read_headers(paths) == [UNREADABLE] * len(paths)
    for path in paths:
        with pytest.raises(AudioError, match="not an audio file"):
            read_audio(path)
    assert not visitors


def test_a_name_that_is_an_address_is_only_a_name(tmp_path: Path, server, monkeypatch):
    port, visitors = server
    monkeypatch.chdir(tmp_path)
    for name in (f"http://127.0.0.1:{port}/clip.mp3", f"concat:http://127.0.0.1:{port}/a|b", f"rtp://127.0.0.1:{port}"):
        assert read_headers([Path(name)]) == ["the file is missing"]
        with pytest.raises(AudioError, match="no file"):
            read_audio(name)
    assert not visitors


def test_an_open_demuxer_would_have_connected(tmp_path: Path, server):
    """The texts above are dangerous: FFmpeg without the restrictions follows one of them."""
    av = pytest.importorskip("av")
    port, visitors = server
    path = tmp_path / "concat.mp3"
    path.write_text(_texts(port)["concat"])
    with pytest.raises(av.FFmpegError):
        av.open(str(path), options={"safe": "0", "protocol_whitelist": "file,http,tcp"})
    assert visitors
