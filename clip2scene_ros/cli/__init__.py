"""The `clip2scene` command: `main` finds a sub-command.

Several share `arguments`, `recordings`, which take the place of data sets, and `examination` of
these.

Each command is one module with SUMMARY, add_arguments and run: `label/` labels clouds and shows
them, `train/` makes models, `measure/` scores them.
"""
