"""What is known of the emoji set without TFDS, which takes a second to import."""

VERSION = "1.0.0"
#: Builder configs and what each holds.
CONFIGS = {
    "base": "Two styles, from pip packages.",
    "full": "Nine styles, seven from npm packages.",
}
