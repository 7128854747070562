"""What each image holds, as a bill of materials."""
