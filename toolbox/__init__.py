"""The toolbox: clone a voice in a window. `python -m toolbox` opens it.

Packages, each importing only those above it:

    storage     files of the user and datasets                        no Qt
    audio       audio devices, playback, recording                    no Qt
    jobs        work for background threads                           no Qt
    state       what the window shows, and its worker threads         QtCore only
    widgets     style, canvases and the parts that panels are made of
    panels      the parts of the window, one file each
    window      the main window and its menus
"""
