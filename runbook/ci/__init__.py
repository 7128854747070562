"""What a continuous integration calls; the same in any of them, with more said where it can be shown."""
