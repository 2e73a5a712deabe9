"""The demo's own project: a training script, its system file, and what people say before promotion."""
