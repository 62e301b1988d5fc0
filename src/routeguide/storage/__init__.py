"""Where features and notes are kept: one contract (`base`), one module or package per backend.

`open_storage` is the only door; nothing above this floor names a backend.
"""
