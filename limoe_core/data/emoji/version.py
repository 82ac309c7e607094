"""Version and configs of the emoji set, without TFDS, which imports slowly."""

VERSION = "1.0.0"
#: Builder configs and what each holds.
CONFIGS = {
    "base": "Two styles, from pip packages.",
    "full": "Nine styles, seven from npm packages.",
}
