"""Authors and licences of the emoji's drawings and names."""

from __future__ import annotations

from limoe_core.data.attribution import Attribution

_APACHE = ("Apache-2.0", "https://www.apache.org/licenses/LICENSE-2.0")
_MIT = ("MIT", "https://github.com/microsoft/fluentui-emoji/blob/main/LICENSE")
_CC_BY = ("CC BY 4.0", "https://creativecommons.org/licenses/by/4.0/")
_CC_BY_SA = ("CC BY-SA 4.0", "https://creativecommons.org/licenses/by-sa/4.0/")
_NOTO = "https://github.com/googlefonts/noto-emoji"
_FLUENT = "https://github.com/microsoft/fluentui-emoji"

ATTRIBUTIONS = (
    Attribution("openmoji", "OpenMoji", "the OpenMoji project", *_CC_BY_SA, "https://openmoji.org"),
    Attribution(
        "twemoji",
        "Twemoji",
        "Twitter, Inc and other contributors",
        *_CC_BY,
        "https://github.com/jdecked/twemoji",
        change="unchanged",
    ),
    Attribution("noto", "Noto Emoji", "Google", *_APACHE, _NOTO),
    Attribution("noto-v1", "Noto Emoji, version 1", "Google", *_APACHE, _NOTO),
    Attribution("fluent-emoji", "Fluent Emoji", "Microsoft", *_MIT, _FLUENT),
    Attribution("fluent-emoji-flat", "Fluent Emoji Flat", "Microsoft", *_MIT, _FLUENT),
    Attribution(
        "emojione",
        "EmojiOne 2, continued as Emojitwo",
        "EmojiOne and Emojitwo contributors",
        *_CC_BY,
        "https://github.com/EmojiTwo/emojitwo",
    ),
    Attribution(
        "emojione-v1",
        "EmojiOne 1",
        "EmojiOne",
        *_CC_BY_SA,
        "https://github.com/joypixels/emojione-legacy",
    ),
    Attribution(
        "fxemoji",
        "FxEmojis",
        "Mozilla",
        "Apache-2.0",
        "https://mozilla.github.io/fxemoji/LICENSE.md",
        "https://github.com/mozilla/fxemoji",
    ),
    Attribution(
        "names",
        "Emoji names of the Unicode CLDR",
        "Unicode, Inc.",
        "Unicode License v3",
        "https://www.unicode.org/license.txt",
        "https://cldr.unicode.org",
        change="taken from the Python package emoji, without its colons and underscores",
    ),
)
