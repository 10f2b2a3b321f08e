"""The work of each stage, one function a module, for the stage's script and for `oncorobust assess`."""
