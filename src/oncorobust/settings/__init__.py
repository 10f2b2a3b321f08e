"""What a person may choose, as frozen typed objects: the nouns that library functions take instead of a config.

Every number stands in params.yaml, once; no field has a default that params.yaml would repeat. Unknown keys and
impossible values are refused when `oncorobust.settings.load` reads the file.
"""
