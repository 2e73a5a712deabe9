"""The gate's policy: what it judges by, which is its own and never the training side's."""
