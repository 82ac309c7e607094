"""The Streamlit dashboard: `streamlit run app`."""
