"""Bad frames, labels, groups, models and declarations, each against every check: no number of theirs may pass for evidence."""
