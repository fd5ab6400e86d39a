"""The `clip2scene` command: `main` finds a sub-command, `arguments` are shared by several.

Each command is one module with SUMMARY, add_arguments and run: `label/` labels clouds and shows
them, `train/` makes models, `measure/` scores them.
"""
