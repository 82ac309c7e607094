"""The error of a picture that cannot be used."""


class PictureError(ValueError):
    """A file or array that is not a usable picture, in words a user can act on."""
