"""The toolbox: clone a voice in a window. `python -m toolbox` opens it."""
