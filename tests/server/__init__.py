"""The gated registry on real servers: what it decides, whatever way it is asked, and what stays as MLflow has it."""
