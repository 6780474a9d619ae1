"""Rows of free text (prompts and answers, conversations, preferences, plain text): formats, checks, fixes and splits."""
