"""What the recorder captures with: the environment, whatever is given as a model, and the index written beside a bundle."""
