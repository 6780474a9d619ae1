"""Finished runs behind an OpenAI-compatible address: one base, adapters chosen by model name, requests answered in batches."""
