"""The main window, its menus, its layout and the stall monitor. May import all of Qt."""
