"""Version of imports, apart from TFDS, which takes seconds to import."""

#: A folder's name; raised when the same source would give other pairs.
VERSION = "1.1.0"
