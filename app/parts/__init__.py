"""Parts that several pages are made of: messages, terms, figures, exports, pictures."""
