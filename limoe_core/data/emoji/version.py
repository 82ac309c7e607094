"""Version and configs of the emoji set, without TFDS, which imports slowly."""

VERSION = "2.0.0"
#: What each version changed.
RELEASE_NOTES = {
    "1.0.0": "First release.",
    "2.0.0": "Variants of one base concept are in one split, and no drawing is there twice.",
}
#: Builder configs and what each holds.
CONFIGS = {
    "base": "Two styles, from pip packages.",
    "full": "Nine styles, seven from npm packages.",
}
