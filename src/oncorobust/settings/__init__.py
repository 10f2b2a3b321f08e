"""Settings as frozen typed objects, which library functions take instead of a configuration.

Every number is in params.yaml, once; no field has a default that params.yaml would repeat. `oncorobust.settings.load`
rejects unknown keys and impossible values when it reads the file.
"""
