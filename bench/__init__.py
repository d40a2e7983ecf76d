"""The measured work: `python -m bench` prints one JSON line a figure."""
