"""The main window, its menus, its layout and the stall monitor. Imports any of Qt."""
