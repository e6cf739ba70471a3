"""UR-Funny: humour in talks; text, audio, visual."""
