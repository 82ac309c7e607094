"""Our few style rules for Streamlit's page: figures start near the top."""

from __future__ import annotations

import streamlit as st

_RULES = """
<style>
  [data-testid="stMainBlockContainer"] { padding: 1.4rem 2rem 3rem; max-width: 1500px; }
  [data-testid="stMainBlockContainer"] [data-testid="stVerticalBlock"] { gap: 0.6rem; }
  .st-key-heading { flex-wrap: wrap; align-items: baseline; gap: 0.1rem 1rem; padding-right: 3rem; }
  .st-key-heading h1 { padding: 0; }
  /* Streamlit's own grey has a contrast of 4.1 to 1; 4.5 is what small text needs. */
  [data-testid="stCaptionContainer"][data-testid] { opacity: 0.8; }
  /* Streamlit writes white on main buttons and on what is chosen from a list; a dark page's blue is
     too light. */
  [data-testid="stMultiSelectTagsContainer"] span,
  [data-testid="stBaseButton-primary"] p { color: light-dark(#FFFFFF, #12161C); }
  /* Streamlit's colours of code have contrasts from 2.5 to 4.1 to 1. */
  [data-testid="stCode"] .token.token.token { color: inherit; }
  [data-testid="stCode"] .token.token.token:is(.keyword, .string) {
    color: light-dark(#1F5FA8, #8EC1F5);
  }
  /* Words of figures, also where the page turns dark or light while it is open. */
  [data-testid="stPlotlyChart"]
    :is(:is(.infolayer, .xaxislayer-above, .yaxislayer-above, .heatmap-label, .textpoint) text,
    text.bartext-outside) {
    fill: currentColor !important;
  }
  [data-testid="stPlotlyChart"] .sankey .node-label {
    fill: currentColor !important;
    text-shadow: 0 0 3px light-dark(#FFFFFF, #12161C) !important;
  }
  /* What is said of one expert stays beside the cards, however far these are scrolled; on a phone,
     where nothing is beside anything, it comes before them. */
  .st-key-expert-detail {
    position: sticky; top: 3.5rem; max-height: calc(100vh - 4rem); overflow-y: auto;
  }
  @media (max-width: 640px) {
    .st-key-expert-detail { position: static; max-height: none; }
    .stColumn:has(.st-key-expert-detail) { order: -1; }
  }
  /* A text typed from right to left stands on the right. */
  [data-testid="stTextInput"] input { unicode-bidi: plaintext; text-align: start; }
  @media (max-width: 640px) {
    [data-testid="stMainBlockContainer"] { padding: 3.6rem 0.8rem 2rem; }
  }
</style>
"""


def apply() -> None:
    """Adds the style rules to the page; they contain no text from outside."""
    st.html(_RULES)


def heading(title: str, question: str) -> None:
    """Draws a page's title and the question it answers, on one line if there is room."""
    with st.container(horizontal=True, key="heading"):
        st.title(title, anchor=False, width="content")
        st.caption(question, width="content")
