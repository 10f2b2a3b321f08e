"""The command `oncorobust`, one module for each command."""
