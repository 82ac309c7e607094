"""Your own pairs: a folder or file of pictures with texts or classes, imported once."""
