"""The main window, its menus, its style and the widgets that panels share. Uses Qt."""
