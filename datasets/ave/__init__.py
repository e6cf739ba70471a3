"""AVE: audio-visual events, labelled per second."""
